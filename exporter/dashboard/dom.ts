// The little of the DOM that the page needs: find, make, and change only what differs, so that a reader's selection
// and a screen reader's place survive an update.

/** The element with this id. @throws when the page lacks it */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page has no #${id}.`);
  return found;
}

/** Makes an element. */
export function make(tag: string, className = '', children: readonly Node[] = []): HTMLElement {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.append(...children);
  return element;
}

/** Sets the text where it differs. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets the tooltip where it differs. */
export function setTitle(element: HTMLElement, title: string): void {
  if (element.title !== title) element.title = title;
}

/** Shows or hides. */
export function setShown(element: HTMLElement, shown: boolean): void {
  element.hidden = !shown;
}

/** A table body whose rows are kept by key: made once, updated in place, removed when their key is gone. */
export class Rows<Item, Row extends { readonly root: HTMLElement }> {
  readonly #body: HTMLElement;
  readonly #makeRow: () => Row;
  readonly #rows = new Map<string, Row>();

  constructor(body: HTMLElement, makeRow: () => Row) {
    this.#body = body;
    this.#makeRow = makeRow;
  }

  update(
    items: readonly Item[],
    keyOf: (item: Item) => string,
    fill: (row: Row, item: Item) => void,
  ): void {
    const keys = items.map(keyOf);
    for (const [key, row] of this.#rows) {
      if (keys.includes(key)) continue;
      row.root.remove();
      this.#rows.delete(key);
    }
    items.forEach((item, position) => {
      const row = this.#rowOf(keys[position] ?? '');
      fill(row, item);
      const there = this.#body.children[position] ?? null;
      if (there !== row.root) this.#body.insertBefore(row.root, there);
    });
  }

  #rowOf(key: string): Row {
    const row = this.#rows.get(key) ?? this.#makeRow();
    this.#rows.set(key, row);
    return row;
  }
}

/** A cell of two lines: what is said, and in small what belongs to it; a bar below when there is a share to show. */
export interface Cell {
  readonly root: HTMLElement;
  readonly main: HTMLElement;
  readonly note: HTMLElement;
  readonly bar: HTMLElement;
}

/** Makes a cell; `label` names it where the table becomes a list of cards. */
export function makeCell(label: string, tag = 'td'): Cell {
  const main = make('span', 'main');
  const note = make('span', 'note');
  const bar = make('span', 'bar', [make('i')]);
  const root = make(tag, '', [make('div', 'cell', [main, bar, note])]);
  root.dataset['label'] = label;
  if (tag === 'th') root.setAttribute('scope', 'row');
  bar.hidden = true;
  bar.setAttribute('aria-hidden', 'true');
  return { root, main, note, bar };
}

/** Writes a cell. */
export function fillCell(cell: Cell, main: string, note = '', share?: number): void {
  setText(cell.main, main);
  setText(cell.note, note);
  setShown(cell.note, note !== '');
  setShown(cell.bar, share !== undefined);
  const [fill] = cell.bar.children;
  if (share !== undefined && fill instanceof HTMLElement) {
    fill.style.width = `${Math.min(100, Math.max(0, share * 100)).toFixed(1)}%`;
  }
}
