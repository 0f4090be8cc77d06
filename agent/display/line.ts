// Lines of text on a terminal: widths that count what is seen, columns that align, nothing that a name could smuggle in.
// Pure.

import stringWidth from 'string-width';

// Control characters, terminal escapes and changes of direction: a run's name or command may hold anything.
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu;

/** Text from outside, on one line and without control characters. */
export const plain = (text: string): string => text.replaceAll(CONTROL, ' ').trim();

/** Columns that a text takes on a terminal. */
export const widthOf = (text: string): number => stringWidth(text);

/** Filled with spaces to `width`, on the side that `align` leaves free. */
export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return align === 'left' ? text + space : space + text;
}

/** Shortened with an ellipsis to at most `width` columns. */
export function clip(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let clipped = '';
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (widthOf(clipped + segment) > width - 1) break;
    clipped += segment;
  }
  return `${clipped}…`;
}

/** Shortened in its middle to at most `width` columns: names that differ at either end still differ. */
export function clipMiddle(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  const headWidth = Math.ceil(width / 2);
  const segments = [...new Intl.Segmenter().segment(text)].map(({ segment }) => segment);
  let tail = '';
  for (const segment of segments.toReversed()) {
    if (widthOf(segment + tail) > width - headWidth) break;
    tail = segment + tail;
  }
  return clip(text, headWidth) + tail;
}

/** Broken at spaces into lines of at most `width` columns; a longer word is clipped. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of plain(text).split(/ +/)) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (widthOf(longer) <= width) line = longer;
    else {
      if (line !== '') lines.push(line);
      line = clip(word, width);
    }
  }
  return line === '' ? lines : [...lines, line];
}

/** A column of a table. */
export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
}

/** Rows as aligned lines, the titles first, two spaces between columns. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string[] {
  const widths = columns.map(({ title }, position) =>
    Math.max(widthOf(title), ...rows.map((row) => widthOf(row[position] ?? ''))),
  );
  const lineOf = (cells: readonly string[]): string =>
    columns
      .map(({ align }, position) => pad(cells[position] ?? '', widths[position] ?? 0, align))
      .join('  ')
      .trimEnd();
  return [lineOf(columns.map(({ title }) => title)), ...rows.map(lineOf)];
}
