// Great Britain's Carbon Intensity API, /intensity/FROM/fw24h: half-hours, actual where known, else forecast. No secret.
// https://carbon-intensity.github.io/api-definitions/

import { z } from 'zod';

import { formatInstant } from '../local-time.ts';
import { instant } from '../units.ts';
import { shaped, timeOf } from './answer.ts';
import type { FeedAdapter, FeedPoint } from './feed.ts';
import { plausibleIntensity } from './unit.ts';

const SECONDS_PER_HALF_HOUR = 1800;

const answer = z.object({
  data: z.array(
    z.object({
      from: z.string(),
      to: z.string(),
      intensity: z.object({ forecast: z.number().nullable(), actual: z.number().nullable() }),
    }),
  ),
});

/** The whole of Great Britain. */
export function ukCarbonIntensity(
  baseUrl: string = 'https://api.carbonintensity.org.uk',
): FeedAdapter {
  const name = 'uk-carbon-intensity GB';
  return {
    name,
    quantity: 'carbon',
    unit: 'g/kWh',
    method: 'average, direct, generation-based; forecast until the actual is known',
    needsSecret: false,
    everySeconds: SECONDS_PER_HALF_HOUR,
    request(now) {
      // Half an hour back, so that the running half-hour is in the answer.
      const from = formatInstant(instant(Math.floor(now / 60) * 60 - SECONDS_PER_HALF_HOUR));
      const minutes = from.replace(/:\d\d(?:\.\d+)?Z$/, 'Z');
      return { url: new URL(`/intensity/${minutes}/fw24h`, baseUrl), headers: {} };
    },
    read(body) {
      return shaped(answer, body, name).data.flatMap(({ from, to, intensity }): FeedPoint[] => {
        const grams = intensity.actual ?? intensity.forecast;
        if (grams === null) return [];
        return [
          {
            startSeconds: timeOf(from, name),
            endSeconds: timeOf(to, name),
            value: plausibleIntensity(grams, name),
          },
        ];
      });
    },
  };
}
