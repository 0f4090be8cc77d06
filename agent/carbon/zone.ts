// What `--zone` means: a country, a grid zone, or a region of a cloud (`aws:us-east-1`). Pure.

import { editDistance } from '../edit-distance.ts';
import { InputError } from '../input-error.ts';
import { constantSchedule } from '../schedule.ts';
import { CLOUD_PROVIDERS, CLOUD_REGIONS, type CloudRegion } from './cloud-regions.ts';
import { co2jsGrid, type ZoneChoice } from './co2js.ts';
import { GOOGLE_DATASET, GOOGLE_GRAMS_PER_KILOWATT_HOUR, GOOGLE_YEAR } from './google-regions.ts';
import type { Grid } from './grid.ts';

const MAX_SUGGESTIONS = 5;
const MAX_SLIPS = 2;
const OTHERWISE = 'Give its country, such as USA or DEU, or your own series with --grid FILE';

/**
 * The region of a cloud that the text names; undefined where it names none (`DEU`).
 * @throws InputError for an unknown cloud or region, with what was perhaps meant
 */
export function cloudRegionOf(text: string): CloudRegion | undefined {
  const wanted = text.trim().toLowerCase();
  const [provider, name, ...rest] = wanted.split(':');
  if (name === undefined || rest.length > 0) {
    const alone = CLOUD_REGIONS.filter((region) => region.name === wanted);
    if (alone.length === 0) return undefined;
    throw new InputError(
      `Grid zone '${text}'`,
      'it is a region of a cloud without its cloud',
      `Write ${alone.map(wordOf).join(' or ')}`,
    );
  }
  const found = CLOUD_REGIONS.find(
    (region) => region.provider === provider && region.name === name,
  );
  if (found !== undefined) return found;
  const isCloud = CLOUD_PROVIDERS.some((known) => known === provider);
  throw new InputError(
    `Cloud region '${text}'`,
    isCloud
      ? `no such region of ${provider} is known`
      : `'${provider}' is none of the clouds that are known (${CLOUD_PROVIDERS.join(', ')})`,
    mendFor(provider ?? '', name),
  );
}

/**
 * The grid of a zone or region. A region's own figure goes before its country's average; with `atYear` the figure of its
 * grid zone in that year, where a data set has it.
 * @throws InputError for what no data set has a value for
 */
export function gridOfZone({ zone, ...year }: ZoneChoice): Grid {
  const region = cloudRegionOf(zone);
  if (region === undefined) return co2jsGrid({ zone, ...year });
  const own = ownFigureOf(region, year.atYear);
  if (own !== undefined) return own;
  const place = year.atYear === undefined ? region.country : (region.gridZone ?? region.country);
  return { ...co2jsGrid({ zone: place, ...year }), region };
}

function ownFigureOf(region: CloudRegion, atYear: number | undefined): Grid | undefined {
  const grams = region.provider === 'gcp' ? GOOGLE_GRAMS_PER_KILOWATT_HOUR[region.name] : undefined;
  if (grams === undefined || (atYear !== undefined && atYear !== GOOGLE_YEAR)) return undefined;
  return {
    zone: region.country,
    region,
    dataset: GOOGLE_DATASET,
    vintage: `average of ${GOOGLE_YEAR}, operational emissions (no life cycle)`,
    provenance: 'derived',
    intensity: constantSchedule(grams),
  };
}

const wordOf = ({ provider, name }: CloudRegion): string => `${provider}:${name}`;

/** The nearest names: of the same cloud by slips of the finger or a common beginning, of others by the very name. */
function mendFor(provider: string, name: string): string {
  const near = CLOUD_REGIONS.map((region) => ({
    region,
    slips: editDistance(region.name, name) + (region.provider === provider ? 0 : MAX_SLIPS),
  }))
    .filter(({ slips }) => slips <= MAX_SLIPS)
    .toSorted((a, b) => a.slips - b.slips)
    .map(({ region }) => region);
  const alike = CLOUD_REGIONS.filter(
    (region) => region.provider === provider && name.length > 2 && region.name.startsWith(name),
  );
  const meant = [...new Set([...near, ...alike])].slice(0, MAX_SUGGESTIONS);
  return meant.length === 0 ? OTHERWISE : `Perhaps ${meant.map(wordOf).join(', ')} is meant`;
}
