// Any service that answers JSON: an address, the way to the value, its unit. Documented shape for price servers of
// one's own: { "unit": "EUR/kWh", "rows": [{ "start": …, "end": …, "value": … }] } with `rows: rows`.

import { z } from 'zod';

import { after } from '../units.ts';
import { shaped, timeOf } from './answer.ts';
import { FeedError, type FeedAdapter, type FeedPoint } from './feed.ts';
import { plausibleIntensity, type FeedUnit } from './unit.ts';

/** Where things stand in the answer; paths are dotted, numbers are positions: `data.0.price`. */
export interface JsonFeedOptions {
  readonly url: string;
  readonly unit: FeedUnit;
  /** The unit as it must stand at `unitPath`, where given. */
  readonly unitText: string;
  readonly unitPath?: string | undefined;
  /** Path to one value, in force from now for `validSeconds`. */
  readonly value?: string | undefined;
  readonly validSeconds: number;
  /** Path to rows of { start, end, value }. */
  readonly rows?: string | undefined;
  readonly everySeconds: number;
  readonly needsSecret: boolean;
}

const row = z.object({
  start: z.union([z.string(), z.number()]),
  end: z.union([z.string(), z.number()]),
  value: z.number(),
});

/** A service of one's own. Its secret goes as a bearer token. */
export function jsonFeed(options: JsonFeedOptions): FeedAdapter {
  const url = new URL(options.url);
  // The query may hold a key.
  const name = `json ${url.origin}${url.pathname}`;
  return {
    name,
    quantity: options.unit.quantity,
    unit: options.unit.unit,
    method: 'as the service says',
    identity: [url.search, options.unitText, options.value, options.rows].join('\n'),
    needsSecret: options.needsSecret,
    everySeconds: options.everySeconds,
    request: (_now, secret) => ({
      url,
      headers: secret === undefined ? {} : { authorization: `Bearer ${secret}` },
    }),
    read(body, now) {
      checkUnit(body, options, name);
      const point = (
        startSeconds: FeedPoint['startSeconds'],
        endSeconds: typeof startSeconds,
        raw: number,
      ) => {
        const value = raw * options.unit.factor;
        if (options.unit.quantity === 'carbon') plausibleIntensity(value, name);
        return { startSeconds, endSeconds, value };
      };
      if (options.rows !== undefined) {
        const rows = shaped(z.array(row), at(body, options.rows), name);
        return rows.map(({ start, end, value }) =>
          point(timeOf(String(start), name), timeOf(String(end), name), value),
        );
      }
      const value = shaped(
        z.number(),
        at(body, options.value ?? ''),
        `${name} at ${options.value}`,
      );
      return [point(now, after(now, options.validSeconds), value)];
    },
  };
}

function checkUnit(body: unknown, options: JsonFeedOptions, name: string): void {
  if (options.unitPath === undefined) return;
  const unit = at(body, options.unitPath);
  if (unit === options.unitText) return;
  throw new FeedError(
    `${name} answered in the unit ${JSON.stringify(unit)?.slice(0, 40)}, not in ${options.unitText}.`,
    'give-up',
  );
}

/** What stands at a dotted path; undefined where there is nothing. */
function at(body: unknown, path: string): unknown {
  let value = body;
  for (const key of path.split('.').filter((part) => part !== '')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Object.entries(value).find(([name]) => name === key)?.[1];
  }
  return value;
}
