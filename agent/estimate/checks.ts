// Plausibility: is a figure out of all proportion to hardware, grid or anything ever published? Pure.

import { formatNumber } from './number.ts';
import { PUBLISHED_ENERGIES } from './published.ts';

/** A figure that cannot be taken at its word. */
export interface Check {
  readonly code: 'energy-per-gpu-hour' | 'carbon-intensity' | 'published-energy';
  readonly message: string;
}

/** Room above rated power × PUE for the host, the network and bad luck. */
const POWER_MARGIN = 1.5;
/** The grids of the world lie between these, hydropower to lignite, lifecycle (ECONOMICS.md §7, @tgwf/co2). */
const WORLD_GRAMS_PER_KILOWATT_HOUR = { least: 10, most: 1400 };
const ZONE_FACTOR = 3;
const PUBLISHED_FACTOR = 10;
const GRAMS_PER_TONNE = 1e6;

/** Flags more kWh per GPU-hour than the board can draw. */
export function checkPower(
  kilowattHours: number,
  gpuHours: number,
  ratedWatts: number,
  powerUsageEffectiveness: number,
): Check | undefined {
  const perHour = kilowattHours / gpuHours;
  const most = (ratedWatts / 1000) * powerUsageEffectiveness * POWER_MARGIN;
  if (!(perHour > most)) return undefined;
  return {
    code: 'energy-per-gpu-hour',
    message:
      `${formatNumber(perHour)} kWh per GPU-hour is more than rated power × PUE × ${POWER_MARGIN} ` +
      `= ${formatNumber(most)} kWh.`,
  };
}

/** A zone's own intensity. */
interface ZoneGrams {
  readonly name: string;
  readonly gramsPerKilowattHour: number;
}

/** Flags an intensity that no grid has, or that is far from its zone's. */
export function checkIntensity(gramsPerKilowattHour: number, zone?: ZoneGrams): Check | undefined {
  const doubt = intensityDoubt(gramsPerKilowattHour, zone);
  if (doubt === undefined) return undefined;
  const grams = formatNumber(gramsPerKilowattHour);
  return { code: 'carbon-intensity', message: `${grams} g/kWh is ${doubt}.` };
}

/** Flags tonnes that an energy can only have emitted at an intensity that no grid has, or its zone. */
export function checkImplied(
  tonnes: number,
  kilowattHours: number,
  zone?: ZoneGrams,
): Check | undefined {
  const implied = (tonnes * GRAMS_PER_TONNE) / kilowattHours;
  const doubt = intensityDoubt(implied, zone);
  if (doubt === undefined) return undefined;
  const said = `${formatNumber(tonnes)} t of ${formatNumber(kilowattHours)} kWh`;
  return {
    code: 'carbon-intensity',
    message: `${said} are ${formatNumber(implied)} g/kWh, which is ${doubt}.`,
  };
}

function intensityDoubt(
  gramsPerKilowattHour: number,
  zone: ZoneGrams | undefined,
): string | undefined {
  const least = zone
    ? zone.gramsPerKilowattHour / ZONE_FACTOR
    : WORLD_GRAMS_PER_KILOWATT_HOUR.least;
  const most = zone ? zone.gramsPerKilowattHour * ZONE_FACTOR : WORLD_GRAMS_PER_KILOWATT_HOUR.most;
  if (gramsPerKilowattHour >= least && gramsPerKilowattHour <= most) return undefined;
  const where = zone === undefined ? 'any grid' : zone.name;
  return `outside what is plausible for ${where} (${formatNumber(least)} to ${formatNumber(most)})`;
}

/** Flags an energy far above the one published for the same model, and sets it against well-known runs. */
export function checkPublished(kilowattHours: number, model: string): Check | undefined {
  const same = PUBLISHED_ENERGIES.filter((run) => isOfModel(run.model, model));
  const most = same.toSorted((a, b) => b.kilowattHours - a.kilowattHours)[0];
  if (most === undefined || kilowattHours <= most.kilowattHours * PUBLISHED_FACTOR)
    return undefined;
  const ratio = kilowattHours / most.kilowattHours;
  const others = ['GPT-3 175B', 'Llama 3.1 405B'].flatMap((name) => {
    const known = PUBLISHED_ENERGIES.find((run) => run.model === name);
    if (known === undefined || known.kilowattHours > kilowattHours) return [];
    return [`${formatNumber(kilowattHours / known.kilowattHours, 2)} times ${name}`];
  });
  return {
    code: 'published-energy',
    message:
      `${formatNumber(kilowattHours)} kWh is ${formatNumber(ratio, 2)} times the ` +
      `${formatNumber(most.kilowattHours)} kWh published for ${most.model} (${most.source})` +
      `${others.length === 0 ? '' : `, ${others.join(' and ')}`}.`,
  };
}

/** `BERT` means every published BERT; the largest of them is compared with. */
const isOfModel = (published: string, model: string): boolean =>
  plain(model).length > 0 && plain(published).startsWith(plain(model));
const plain = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
