// A tariff that does not cover a run: said with its instant before anything is priced. Pure.

import { InputError } from '../input-error.ts';
import { formatInstant } from '../local-time.ts';
import { firstGap } from '../schedule.ts';
import type { Instant } from '../units.ts';
import type { Tariff } from './tariff.ts';

/** Why a run over [start, end) cannot be priced with `tariff`; undefined when it can. */
export function gapOfTariff(tariff: Tariff, start: Instant, end: Instant): InputError | undefined {
  const gap = firstGap(tariff.price, start, end);
  if (gap === undefined) return undefined;
  return new InputError(
    tariff.source,
    `there is no price at ${formatInstant(gap)}`,
    'Add the missing rows, or hold the last price with --price-gap hold',
  );
}
