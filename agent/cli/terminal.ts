// A terminal that a command takes over: its size now, its keys one by one. Given back when disposed.

import type { ReadStream, WriteStream } from 'node:tty';

/** A terminal taken over. Ctrl-C is a key like any other until it is disposed. */
export interface Terminal extends Disposable {
  /** Whether keys can be read: stdin may be something else. */
  readonly hasKeys: boolean;
  /** How much fits on it now. */
  size(): { readonly columns: number; readonly rows: number };
  onResize(listener: () => void): void;
  /** What a key sends: a character, or a control sequence. */
  onKey(listener: (key: string) => void): void;
}

const USUAL_COLUMNS = 80;
const USUAL_ROWS = 24;

/** Takes the terminal over; keys are read only where stdin is one too. */
export function takeTerminal(input: ReadStream, output: WriteStream): Terminal {
  const hasKeys = input.isTTY;
  const undo: (() => void)[] = [];
  return {
    hasKeys,
    size() {
      const [columns, rows] = output.getWindowSize();
      return { columns: columns > 0 ? columns : USUAL_COLUMNS, rows: rows > 0 ? rows : USUAL_ROWS };
    },
    onResize(listener) {
      output.on('resize', listener);
      undo.push(() => output.off('resize', listener));
    },
    onKey(listener) {
      if (!hasKeys) return;
      const take = (bytes: Buffer): void => listener(bytes.toString('utf8'));
      input.setRawMode(true);
      input.on('data', take).resume();
      undo.push(() => {
        input.off('data', take).pause();
        input.setRawMode(false);
      });
    },
    [Symbol.dispose]() {
      for (const one of undo.splice(0)) one();
    },
  };
}
