// Electricity Maps, /v3/carbon-intensity/history: hourly averages of the last day, lifecycle, consumption-based.
// https://portal.electricitymaps.com/docs/api

import { z } from 'zod';

import { after } from '../units.ts';
import { shaped, timeOf } from './answer.ts';
import { FeedError, type FeedAdapter, type FeedPoint } from './feed.ts';
import { plausibleIntensity } from './unit.ts';

const SECONDS_PER_HOUR = 3600;

const reading = z.object({
  zone: z.string(),
  carbonIntensity: z.number().nullable(),
  datetime: z.string(),
});
const answer = z.object({ zone: z.string(), history: z.array(reading) });

/** A zone such as `DE`, `FR` or `US-CAL-CISO`. */
export function electricityMaps(
  zone: string,
  baseUrl: string = 'https://api.electricitymaps.com',
): FeedAdapter {
  const name = `electricity-maps ${zone}`;
  return {
    name,
    quantity: 'carbon',
    unit: 'g/kWh',
    method: 'average, lifecycle, consumption-based',
    needsSecret: true,
    everySeconds: 900,
    request(_now, secret) {
      const url = new URL('/v3/carbon-intensity/history', baseUrl);
      url.searchParams.set('zone', zone);
      return { url, headers: secret === undefined ? {} : { 'auth-token': secret } };
    },
    read(body) {
      const { zone: answered, history } = shaped(answer, body, name);
      if (answered !== zone) {
        throw new FeedError(`${name} answered for the zone ${answered.slice(0, 40)}.`, 'give-up');
      }
      return history.flatMap(({ carbonIntensity, datetime }): FeedPoint[] => {
        if (carbonIntensity === null) return [];
        const startSeconds = timeOf(datetime, name);
        const value = plausibleIntensity(carbonIntensity, name);
        return [{ startSeconds, endSeconds: after(startSeconds, SECONDS_PER_HOUR), value }];
      });
    },
  };
}
