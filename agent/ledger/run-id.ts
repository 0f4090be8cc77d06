// Names of runs: sortable by start, and different for four ranks that start in the same millisecond.

import { randomInt } from 'node:crypto';

import { toUnixMilliseconds, type Instant } from '../units.ts';

const LETTERS = '0123456789abcdefghijklmnopqrstuvwxyz';
const RANDOM_LETTERS = 6;

/** Whether a name could be a run's id: nothing else is ever made part of a path. */
export const isRunId = (name: string): boolean => /^\d{8}T\d{6}Z-[0-9a-z]{6}$/.test(name);

/** A new id, e.g. `20261123T171900Z-ab12cd`: the start in UTC and two thousand million possibilities. */
export function newRunId(startSeconds: Instant): string {
  const stamp = new Date(toUnixMilliseconds(startSeconds)).toISOString();
  const random = Array.from({ length: RANDOM_LETTERS }, () => LETTERS[randomInt(LETTERS.length)]);
  return `${stamp.slice(0, 19).replaceAll(/[-:]/g, '')}Z-${random.join('')}`;
}
