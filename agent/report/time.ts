// Instants as the report writes them.

import { fromUnixMilliseconds, toUnixMilliseconds, type Instant } from '../units.ts';

/** ISO 8601 UTC with milliseconds. */
export const isoTime = (time: Instant): string =>
  new Date(Math.round(toUnixMilliseconds(time))).toISOString();

/** The instant of an ISO 8601 time with a zone. */
export const instantOf = (isoText: string): Instant => fromUnixMilliseconds(Date.parse(isoText));
