// Is 03-11-2026 in March or in November? The rows often know: a number above 12 is a day, and between neighbouring
// rows it is the day that changes.

import { leadingDateNumbers, type DateOrder } from './timestamp.ts';

/** Gathers evidence from the dates of one file. */
export interface DateOrderEvidence {
  /** Looks at one more timestamp; true once the order is certain. */
  add(text: string): boolean;
  /** The order that the dates prove; undefined while they fit both. */
  readonly order: DateOrder | undefined;
  /** Whether any date had the year last, so that the order matters at all. */
  readonly matters: boolean;
}

/** Evidence about the order of day and month. */
export function dateOrderEvidence(): DateOrderEvidence {
  let previous: readonly [number, number] | undefined;
  let order: DateOrder | undefined;
  let matters = false;

  return {
    add(text) {
      const numbers = leadingDateNumbers(text);
      if (numbers === undefined) return false;
      const [first, second] = numbers;
      matters ||= first !== second;
      if (first > 12) order ??= 'day-first';
      else if (second > 12) order ??= 'month-first';
      else if (previous !== undefined) {
        if (first !== previous[0] && second === previous[1]) order ??= 'day-first';
        if (second !== previous[1] && first === previous[0]) order ??= 'month-first';
      }
      previous = numbers;
      return order !== undefined;
    },
    get order() {
      return order;
    },
    get matters() {
      return matters;
    },
  };
}
