// What adapters share when they read an answer: its shape checked, its times on the timeline.

import type { z } from 'zod';

import { isTimeProblem, readInstant } from '../local-time.ts';
import type { Instant } from '../units.ts';
import { FeedError } from './feed.ts';

/** The answer in its promised shape. @throws FeedError naming the first defect */
export function shaped<T>(schema: z.ZodType<T>, body: unknown, name: string): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const place = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`;
  throw new FeedError(
    `${name} answered in an unknown shape${place}: ${issue?.message ?? 'not understood'}. Has its API changed?`,
    'give-up',
  );
}

/** A time of an answer; naive ones are UTC. @throws FeedError */
export function timeOf(text: string, name: string): Instant {
  const time = readInstant(text, 'UTC');
  if (!isTimeProblem(time)) return time;
  throw new FeedError(`${name} answered a time that is none: ${time.problem}.`, 'give-up');
}
