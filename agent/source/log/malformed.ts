// The lines that were not understood: all counted, the first of them kept with their numbers.

import type { MalformedLine } from '../../model.ts';

const KEPT_LIMIT = 100;

/** A bounded list of malformed lines with their whole count. */
export interface MalformedLines {
  readonly count: number;
  readonly kept: readonly MalformedLine[];
  add(line: number, reason: string): void;
}

/** An empty list. */
export function malformedLines(): MalformedLines {
  const kept: MalformedLine[] = [];
  let count = 0;
  return {
    get count() {
      return count;
    },
    kept,
    add(line, reason) {
      count += 1;
      if (kept.length < KEPT_LIMIT) kept.push({ line, reason });
    },
  };
}

const EXCERPT_CHARACTERS = 60;

/** A piece of a line, fit to stand in a message. */
export function excerpt(text: string): string {
  const clean = text.trim().replaceAll(/[^\u0020-\u007e\u00a0-\uffff]/g, '?');
  return clean.length > EXCERPT_CHARACTERS ? `${clean.slice(0, EXCERPT_CHARACTERS)}…` : clean;
}
