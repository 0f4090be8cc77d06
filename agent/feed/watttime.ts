// WattTime v3, /v3/forecast: marginal rates in lb/MWh every five minutes. A marginal rate says what one kWh more or
// less does; it is never mixed with averages. https://docs.watttime.org

import { z } from 'zod';

import { after } from '../units.ts';
import { shaped, timeOf } from './answer.ts';
import { FeedError, type FeedAdapter } from './feed.ts';
import { plausibleIntensity, readUnit } from './unit.ts';

const answer = z.object({
  data: z.array(z.object({ point_time: z.string(), value: z.number() })),
  meta: z.object({
    region: z.string(),
    units: z.string(),
    data_point_period_seconds: z.number().positive().default(300),
  }),
});
const loginAnswer = z.object({ token: z.string().min(1) });

/** A region such as `CAISO_NORTH`; the secret is `user:password`, or a bearer token that still holds. */
export function wattTime(
  region: string,
  baseUrl: string = 'https://api.watttime.org',
): FeedAdapter {
  const name = `watttime ${region}`;
  return {
    name,
    quantity: 'carbon',
    unit: 'g/kWh',
    method: 'marginal operating emissions rate, direct',
    needsSecret: true,
    everySeconds: 300,
    login: {
      request(secret) {
        if (!secret.includes(':')) return undefined;
        const authorization = `Basic ${Buffer.from(secret, 'utf8').toString('base64')}`;
        return { url: new URL('/login', baseUrl), headers: { authorization } };
      },
      read: (body) => shaped(loginAnswer, body, name).token,
    },
    request(_now, secret) {
      const url = new URL('/v3/forecast', baseUrl);
      url.searchParams.set('region', region);
      url.searchParams.set('signal_type', 'co2_moer');
      return { url, headers: secret === undefined ? {} : { authorization: `Bearer ${secret}` } };
    },
    read(body) {
      const { data, meta } = shaped(answer, body, name);
      const unit = readUnit(meta.units);
      if (unit?.quantity !== 'carbon') {
        throw new FeedError(
          `${name} answered in ${meta.units.slice(0, 40)}, not in lb/MWh.`,
          'give-up',
        );
      }
      return data.map(({ point_time: time, value }) => {
        const startSeconds = timeOf(time, name);
        return {
          startSeconds,
          endSeconds: after(startSeconds, meta.data_point_period_seconds),
          value: plausibleIntensity(value * unit.factor, name),
        };
      });
    },
  };
}
