// A feed as people write it: a YAML or JSON file with `feed: NAME` in the place of a tariff or a grid series.

import { readFile } from 'node:fs/promises';

import { z } from 'zod';

import type { Clock } from '../clock.ts';
import { InputError, inputErrorOf } from '../input-error.ts';
import { looksLikeDocument, readDocument } from '../series-file.ts';
import { electricityMaps } from './electricity-maps.ts';
import type { Feed, FeedAdapter } from './feed.ts';
import { jsonFeed } from './json.ts';
import { createFeed } from './live.ts';
import { octopus } from './octopus.ts';
import { ukCarbonIntensity } from './uk-carbon-intensity.ts';
import { readUnit } from './unit.ts';
import { wattTime } from './watttime.ts';

const common = {
  /** The service's address, for a proxy or a stand-in. */
  url: z.url().optional(),
  tokenFile: z.string().optional(),
  tokenEnvironment: z.string().optional(),
  everySeconds: z.number().min(10).optional(),
  timeoutSeconds: z.number().min(0.1).max(300).default(10),
};

const feedFile = z.discriminatedUnion('feed', [
  z.strictObject({ feed: z.literal('electricity-maps'), zone: z.string().min(1), ...common }),
  z.strictObject({ feed: z.literal('watttime'), region: z.string().min(1), ...common }),
  z.strictObject({ feed: z.literal('uk-carbon-intensity'), ...common }),
  z.strictObject({
    feed: z.literal('octopus'),
    product: z.string().min(1),
    tariff: z.string().min(1),
    ...common,
  }),
  z
    .strictObject({
      feed: z.literal('json'),
      ...common,
      url: z.url(),
      unit: z.string(),
      unitPath: z.string().optional(),
      value: z.string().optional(),
      validSeconds: z.number().positive().default(3600),
      rows: z.string().optional(),
    })
    .refine(({ value, rows }) => (value === undefined) !== (rows === undefined), {
      message: 'give either value or rows, the path to what is wanted',
    }),
]);
type FeedFile = z.infer<typeof feedFile>;

/** What opening a feed needs of the world. */
export interface FeedSurroundings {
  readonly clock: Clock;
  /** Where answers are kept; absent: nowhere. */
  readonly cacheDirectory?: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Whether a tariff's or grid's file describes a feed. */
export function isFeedFile(text: string, fileName: string): boolean {
  if (!looksLikeDocument(text)) return false;
  return z.looseObject({ feed: z.string() }).safeParse(readDocument(text, fileName)).success;
}

/** Opens the feed that a file describes; it has not asked anything yet. @throws InputError naming file and mend */
export async function openFeed(
  text: string,
  fileName: string,
  surroundings: FeedSurroundings,
): Promise<Feed> {
  const parsed = feedFile.safeParse(readDocument(text, fileName));
  if (!parsed.success) {
    const mend =
      'Write feed: electricity-maps, watttime, uk-carbon-intensity, octopus or json with its own keys';
    throw inputErrorOf(fileName, parsed.error.issues, mend);
  }
  const file = parsed.data;
  const adapter = adapterOf(file, fileName);
  const secret = await readSecret(file, fileName, surroundings.environment);
  if (adapter.needsSecret && secret === undefined) {
    throw new InputError(
      fileName,
      `${adapter.name} needs a token`,
      'Name it with tokenFile: PATH or tokenEnvironment: VARIABLE; never write it here',
    );
  }
  return createFeed({
    adapter,
    secret,
    clock: surroundings.clock,
    cacheDirectory: surroundings.cacheDirectory,
    everySeconds: file.everySeconds,
    timeoutSeconds: file.timeoutSeconds,
  });
}

function adapterOf(file: FeedFile, fileName: string): FeedAdapter {
  switch (file.feed) {
    case 'electricity-maps':
      return electricityMaps(file.zone, file.url);
    case 'watttime':
      return wattTime(file.region, file.url);
    case 'uk-carbon-intensity':
      return ukCarbonIntensity(file.url);
    case 'octopus':
      return octopus(file.product, file.tariff, file.url);
    case 'json': {
      const unit = readUnit(file.unit);
      if (unit === undefined) {
        throw new InputError(
          `${fileName} at unit`,
          `"${file.unit}" is no unit of price or carbon intensity`,
          'Write EUR/kWh, EUR/MWh, p/kWh, g/kWh, kg/MWh or lb/MWh',
        );
      }
      return jsonFeed({
        ...file,
        unit,
        unitText: file.unit,
        everySeconds: file.everySeconds ?? 300,
        needsSecret: file.tokenFile !== undefined || file.tokenEnvironment !== undefined,
      });
    }
  }
}

/** The token, from a file or an environment variable; its text appears nowhere else. */
async function readSecret(
  { tokenFile, tokenEnvironment }: FeedFile,
  fileName: string,
  environment: FeedSurroundings['environment'],
): Promise<string | undefined> {
  if (tokenEnvironment !== undefined) {
    const secret = environment[tokenEnvironment]?.trim();
    if (secret !== undefined && secret !== '') return secret;
    throw new InputError(
      `${fileName} at tokenEnvironment`,
      `the variable ${tokenEnvironment} is not set`,
      'Set it to the token, or use tokenFile',
    );
  }
  if (tokenFile === undefined) return undefined;
  const secret = await readFile(tokenFile, 'utf8').catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    throw tokenFileError(fileName, `${tokenFile} cannot be read (${code})`);
  });
  if (secret.trim() === '') throw tokenFileError(fileName, `${tokenFile} is empty`);
  return secret.trim();
}

function tokenFileError(fileName: string, cause: string): InputError {
  const mend = 'Give a file that holds the token alone, readable by Wattmeter';
  return new InputError(`${fileName} at tokenFile`, cause, mend);
}
