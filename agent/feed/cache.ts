// The last answers on disk, so that a restart without a network goes on with the last known value. A cache that cannot
// be read is no cache; one that cannot be written is said, not fatal.

import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { z } from 'zod';

import { instant, type Instant } from '../units.ts';
import type { FeedPoint } from './feed.ts';

/** What is kept of a feed. */
export interface CachedFeed {
  readonly fetchedSeconds: Instant;
  readonly points: readonly FeedPoint[];
}

const cacheFile = z.object({
  schema: z.literal('wattmeter.feed/1'),
  name: z.string(),
  unit: z.string(),
  fetchedSeconds: z.number(),
  points: z.array(z.tuple([z.number(), z.number(), z.number()])),
});

/** What tells one kept feed from another. */
export interface CacheKey {
  readonly name: string;
  readonly unit: string;
  readonly identity?: string;
}

/** Where the feed of that name, unit and identity is kept. */
export function cachePath(directory: string, { name, unit, identity = '' }: CacheKey): string {
  const readable = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 60);
  const hash = createHash('sha256')
    .update(`${name}\n${unit}\n${identity}`)
    .digest('hex')
    .slice(0, 12);
  return join(directory, `${readable}-${hash}.json`);
}

/** The kept answers; undefined when there are none, or none that can be understood. */
export async function readCache(
  path: string,
  { name, unit }: CacheKey,
): Promise<CachedFeed | undefined> {
  try {
    const file = cacheFile.parse(JSON.parse(await readFile(path, 'utf8')));
    if (file.name !== name || file.unit !== unit) return undefined;
    const points = file.points.map(([start, end, value]) => ({
      startSeconds: instant(start),
      endSeconds: instant(end),
      value,
    }));
    return { fetchedSeconds: instant(file.fetchedSeconds), points };
  } catch {
    return undefined;
  }
}

/** Keeps the answers, whole or not at all. @throws when the disk refuses */
export async function writeCache(
  path: string,
  directory: string,
  { name, unit }: CacheKey,
  cached: CachedFeed,
): Promise<void> {
  const points = cached.points.map((each) => [each.startSeconds, each.endSeconds, each.value]);
  const file = {
    schema: 'wattmeter.feed/1',
    name,
    unit,
    fetchedSeconds: cached.fetchedSeconds,
    points,
  };
  await mkdir(directory, { recursive: true });
  const draft = `${path}.${process.pid}.tmp`;
  await writeFile(draft, JSON.stringify(file), { mode: 0o600 });
  await rename(draft, path);
}
