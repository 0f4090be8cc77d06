// Warnings, each said once, and never so many that a year of trouble fills the memory. Pure.

import type { Warning } from '../model.ts';

const WARNINGS_KEPT = 256;

/** A bounded list of distinct warnings. */
export interface WarningList {
  add(warning: Warning): void;
  all(): Warning[];
}

/** An empty list. */
export function createWarningList(): WarningList {
  const kept = new Map<string, Warning>();
  let dropped = 0;
  return {
    add(warning) {
      const key = `${warning.code}\n${warning.message}`;
      if (kept.has(key)) return;
      if (kept.size < WARNINGS_KEPT) kept.set(key, warning);
      else dropped += 1;
    },
    all: () =>
      dropped === 0
        ? [...kept.values()]
        : [
            ...kept.values(),
            { code: 'more-warnings', message: `${dropped} more warnings were not kept.` },
          ],
  };
}
