import { describe, expect, test } from 'vitest';

import { WindowBook } from '../../agent/run/windows.ts';
import { instant } from '../../agent/units.ts';

const START = instant(100);
const at = (seconds: number) => instant(100 + seconds);

describe('WindowBook', () => {
  test('begin and end enclose a window with the counts of the end', () => {
    const book = new WindowBook(START);
    expect(book.mark({ name: 'eval', phase: 'begin' }, at(1))).toEqual({
      kind: 'accepted',
      edgeSeconds: 101,
      closed: [],
    });
    expect(book.mark({ name: 'eval', phase: 'end', steps: 5, tokens: 7 }, at(3))).toEqual({
      kind: 'accepted',
      edgeSeconds: 103,
      closed: [{ name: 'eval', startSeconds: 101, endSeconds: 103, steps: 5, tokens: 7 }],
    });
  });

  test('an end closes the newest of its name; other names overlap freely', () => {
    const book = new WindowBook(START);
    for (const [name, time] of [
      ['a', 1],
      ['b', 2],
      ['a', 3],
    ] as const) {
      book.mark({ name, phase: 'begin' }, at(time));
    }
    const ends = (['a', 'a', 'b'] as const).map((name) => book.mark({ name, phase: 'end' }, at(9)));
    expect(ends.map((end) => end.kind === 'accepted' && end.closed[0]?.startSeconds)).toEqual([
      103, 101, 102,
    ]);
  });

  test('an end without a beginning is refused', () => {
    expect(new WindowBook(START).mark({ name: 'x', phase: 'end' }, at(1))).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining('no window x is open'),
    });
  });

  test('an instant closes the stretch since the last of its name, the first since the start', () => {
    const book = new WindowBook(START);
    const first = book.mark({ name: 'lap', phase: 'instant', steps: 10 }, at(2));
    const second = book.mark({ name: 'lap', phase: 'instant', steps: 20 }, at(5));
    expect([first, second].map((one) => one.kind === 'accepted' && one.closed)).toEqual([
      [{ name: 'lap', startSeconds: 100, endSeconds: 102, steps: 10 }],
      [{ name: 'lap', startSeconds: 102, endSeconds: 105, steps: 20 }],
    ]);
  });

  test('what is open at the end is closed there, with a warning', () => {
    const book = new WindowBook(START);
    book.mark({ name: 'epoch', phase: 'begin' }, at(1));
    expect(book.close(at(4))).toMatchObject({
      closed: [{ name: 'epoch', startSeconds: 101, endSeconds: 104 }],
      warnings: [{ code: 'window-not-ended' }],
    });
    expect(book.close(at(5))).toEqual({ closed: [], warnings: [] });
  });

  test('a job in a loop cannot fill the books', () => {
    const book = new WindowBook(START);
    const kinds = Array.from(
      { length: 1001 },
      () => book.mark({ name: 'x', phase: 'begin' }, at(1)).kind,
    );
    expect(kinds.lastIndexOf('accepted')).toBe(999);
    expect(kinds[1000]).toBe('refused');
  });

  test('epochs of the step pattern are windows with their own steps', () => {
    const book = new WindowBook(START);
    book.line({ epoch: '1', step: 0, tokens: 0 }, at(1));
    book.line({ epoch: '1', step: 100, tokens: 6400 }, at(5));
    const turn = book.line({ epoch: '2', step: 110, tokens: 7040 }, at(6));
    book.line({ step: 200, tokens: 12_800 }, at(9));
    expect(turn).toEqual({
      kind: 'accepted',
      edgeSeconds: 106,
      closed: [{ name: 'epoch 1', startSeconds: 101, endSeconds: 106, steps: 100, tokens: 6400 }],
    });
    expect(book.close(at(10))).toEqual({
      closed: [{ name: 'epoch 2', startSeconds: 106, endSeconds: 110, steps: 100, tokens: 6400 }],
      warnings: [],
    });
    expect(book.progress).toEqual({ steps: 200, tokens: 12_800 });
  });

  test('a count that begins anew with each epoch is added up', () => {
    const book = new WindowBook(START);
    book.line({ epoch: '1', step: 0 }, at(0));
    book.line({ step: 50 }, at(1));
    book.line({ epoch: '2', step: 1 }, at(2));
    book.line({ step: 50 }, at(3));
    expect(book.close(at(4)).closed).toMatchObject([{ name: 'epoch 2', steps: 50 }]);
    expect(book.progress).toEqual({ steps: 100 });
  });
});
