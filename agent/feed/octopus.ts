// Octopus Energy, standard unit rates of a tariff: pence per kWh with VAT, half-hourly on Agile, may be negative. No
// secret. https://developer.octopus.energy/rest/guides/endpoints

import { z } from 'zod';

import { formatInstant } from '../local-time.ts';
import { after, instant } from '../units.ts';
import { shaped, timeOf } from './answer.ts';
import { FeedError, type FeedAdapter } from './feed.ts';

const SECONDS_PER_DAY = 86_400;
const PENCE_PER_POUND = 100;
/** The regulator's cap of Agile is 1.00 GBP; beyond this it is another unit. */
const MOST_POUNDS_PER_KILOWATT_HOUR = 10;

const answer = z.object({
  results: z.array(
    z.object({
      value_inc_vat: z.number(),
      valid_from: z.string(),
      valid_to: z.string().nullable(),
    }),
  ),
});

/** A product such as `AGILE-24-10-01` and its tariff in a region such as `E-1R-AGILE-24-10-01-C`. */
export function octopus(
  product: string,
  tariff: string,
  baseUrl: string = 'https://api.octopus.energy',
): FeedAdapter {
  const name = `octopus ${tariff}`;
  const path = [product, 'electricity-tariffs', tariff].map(encodeURIComponent).join('/');
  return {
    name,
    quantity: 'price',
    unit: 'GBP/kWh',
    method: 'unit rate with VAT',
    needsSecret: false,
    everySeconds: 1800,
    request(now) {
      const url = new URL(`/v1/products/${path}/standard-unit-rates/`, baseUrl);
      url.searchParams.set(
        'period_from',
        formatInstant(instant(Math.floor(now) - SECONDS_PER_DAY)),
      );
      url.searchParams.set(
        'period_to',
        formatInstant(instant(Math.floor(now) + 2 * SECONDS_PER_DAY)),
      );
      url.searchParams.set('page_size', '200');
      return { url, headers: {} };
    },
    read(body, now) {
      return shaped(answer, body, name).results.map(({ value_inc_vat, valid_from, valid_to }) => {
        const value = value_inc_vat / PENCE_PER_POUND;
        if (Math.abs(value) > MOST_POUNDS_PER_KILOWATT_HOUR) {
          throw new FeedError(
            `${name} answered ${value} GBP/kWh. Is the unit another one?`,
            'give-up',
          );
        }
        const startSeconds = timeOf(valid_from, name);
        // A fixed tariff has no end: it holds for as long as it is asked for.
        const endSeconds = valid_to === null ? after(now, SECONDS_PER_DAY) : timeOf(valid_to, name);
        return { startSeconds, endSeconds, value };
      });
    },
  };
}
