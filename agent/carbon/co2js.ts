// Grid intensities that npm @tgwf/co2 carries, offline: Ember's averages by country, Electricity Maps' by year. Pure.

import { averageIntensity, electricityMaps } from '@tgwf/co2/data';

import { InputError } from '../input-error.ts';
import { constantSchedule } from '../schedule.ts';
import { countriesLike, countryOf } from './country.ts';
import type { Grid } from './grid.ts';

/** The pinned version of @tgwf/co2 (package.json); a test holds the two together. */
export const CO2JS_VERSION = '0.19.0';

const MAX_SUGGESTIONS = 5;
const OWN_SERIES = 'Give your own series with --grid FILE';
const YEAR_KEY = /^yearly(?<year>\d{4})$/;

/** Which zone is wanted, and of which year. */
export interface ZoneChoice {
  /**
   * ISO 3166-1 alpha-3 or alpha-2, or one of Ember's regions (`EU`, `WORLD`); with `atYear` also a zone of Electricity
   * Maps (`US-TEX-ERCO`).
   */
  readonly zone: string;
  /** A calendar year; absent: the newest average, whose year the package does not state. */
  readonly atYear?: number;
}

/**
 * The grid of a zone.
 * @throws InputError for a zone or a year that the package has no value for, with what was perhaps meant.
 */
export function co2jsGrid({ zone, atYear }: ZoneChoice): Grid {
  return atYear === undefined ? newestAverage(zone) : averageOfYear(zone, atYear);
}

function newestAverage(zone: string): Grid {
  const wanted = zone.trim().toUpperCase();
  // A region's own name goes first: EU is a region of Ember's, and no country's code.
  const key = wanted in averageIntensity.data ? wanted : countryOf(wanted)?.alpha3;
  const intensity = key === undefined ? undefined : averageIntensity.data[key];
  if (key === undefined || intensity === undefined) throw unknownZone(zone);
  // The package writes 0 where Ember has no value; no grid of the world has 0 g/kWh over its life cycle.
  if (!(intensity > 0)) {
    throw new InputError(
      `Zone ${key}`,
      `its carbon intensity is missing in @tgwf/co2 ${CO2JS_VERSION}`,
      OWN_SERIES,
    );
  }
  return {
    zone: key,
    dataset: `Ember averages in @tgwf/co2 ${CO2JS_VERSION}`,
    vintage: 'yearly average; the package states no year',
    provenance: 'derived',
    intensity: constantSchedule(intensity),
  };
}

function averageOfYear(zone: string, year: number): Grid {
  const zones = electricityMaps[`yearly${year}`]?.data;
  if (zones === undefined) {
    const years = yearsAvailable();
    throw new InputError(
      `Year ${year}`,
      `@tgwf/co2 ${CO2JS_VERSION} has carbon intensities of ${years.join(', ')} only`,
      OWN_SERIES,
    );
  }
  const wanted = zone.trim().toUpperCase();
  const key = wanted in zones ? wanted : (countryOf(wanted)?.alpha2 ?? wanted);
  const intensity = zones[key]?.carbonIntensity.value;
  if (intensity === undefined || !(intensity > 0)) {
    throw new InputError(
      `Zone '${zone}'`,
      `@tgwf/co2 ${CO2JS_VERSION} (Electricity Maps) has no carbon intensity of it for ${year}`,
      `Leave --at-year out for Ember's newest average, or give your own series with --grid FILE`,
    );
  }
  return {
    zone: countryOf(key)?.alpha3 ?? key,
    dataset: `Electricity Maps (ODbL) in @tgwf/co2 ${CO2JS_VERSION}`,
    vintage: `yearly average of ${year}`,
    provenance: 'derived',
    intensity: constantSchedule(intensity),
  };
}

/** The years that `atYear` may name, ascending. */
export function yearsAvailable(): readonly number[] {
  return Object.keys(electricityMaps)
    .map((key) => YEAR_KEY.exec(key)?.groups?.['year'])
    .filter((year) => year !== undefined)
    .map(Number)
    .toSorted((a, b) => a - b);
}

function unknownZone(zone: string): InputError {
  const meant = countriesLike(zone)
    .filter(({ alpha3 }) => (averageIntensity.data[alpha3] ?? 0) > 0)
    .slice(0, MAX_SUGGESTIONS)
    .map(({ alpha3, name }) => `${alpha3} (${name})`);
  const mend =
    meant.length > 0
      ? `Perhaps ${meant.join(', ')} is meant`
      : 'Give a country as three letters (ISO 3166-1), such as DEU, USA or IND';
  const cause = `@tgwf/co2 ${CO2JS_VERSION} has no such country or region`;
  return new InputError(`Grid zone '${zone}'`, cause, mend);
}
