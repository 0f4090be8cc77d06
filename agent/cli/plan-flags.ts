// A plan by flags: what PLAN.yml says in keys, for those who have a line and no file, and to change one thing of a file.

import { UsageError } from '../config.ts';
import type { PlanOverrides } from '../estimate/estimate.ts';
import type { Formula, Hardware, Phase, Plan, PlannedRegion } from '../estimate/plan.ts';
import { exactly, type Range } from '../estimate/range.ts';
import type { Config } from '../options.ts';
import { present } from '../report/present.ts';
import type { Invocation } from './command.ts';

type Flags = Invocation['extra'];

/** The flags that make a plan; a quantity is a number ≥ 0, or low..mid..high. */
export const PLAN_FLAGS: readonly (readonly [string, string])[] = [
  ['--k <factor>', 'k of E_compute = k · T · P'],
  ['--hours <h>', 'T of E_compute'],
  ['--kilowatts <kW>', 'P of E_compute'],
  ['--gpu-hours <h>', 'or: GPU-hours of the training …'],
  ['--watts-per-gpu <W>', '… × power of one GPU × PUE; without it they are what is rented'],
  ['--host-watts-per-gpu <W>', 'power of the rest of the node, per GPU'],
  ['--rated-watts <W>', 'rated power of one GPU, for the plausibility check'],
  ['--energy-kilowatt-hours <kWh>', 'or: energy of the training at the meter, PUE in it'],
  ['--duration-hours <h>', 'how long the training takes on the clock'],
  ['--model <name>', 'the model, to be held against published runs'],
  ['--gpu-model <name>', 'the GPU, whose making counts where it is published'],
  ['--stated-tonnes <t>', 't CO2e that somebody states, to be checked'],
  ['--data-gigabytes <GB>', 'S, the size of the data'],
  ['--data-k <factor>', 'k of E_data = k · T · P'],
  ['--data-hours <h>', 'T of E_data'],
  ['--data-kilowatts <kW>', 'P of E_data'],
  ['--people-cost <amount>', 'C_person'],
  ['--hardware-cost <amount>', 'C_hardware, bought'],
  ['--labelling-cost <amount>', 'C_labelling'],
  ['--days <d>', 'deployment: how long it serves'],
  ['--requests-per-day <n>', 'deployment: requests'],
  ['--watt-hours-per-request <Wh>', 'deployment: energy of a request at the server'],
  ['--regions <list>', 'other places: a zone (SWE) or NAME=FILE of prices or intensities, …'],
];

/** What the flags and options say of a plan. @throws UsageError naming the flag and the mend */
export function planOfFlags(flags: Flags, config: Config): PlanOverrides {
  const of = (attribute: string): Range | undefined => quantityOf(flags, attribute);
  const amount = of('peopleCost');
  const labelling = of('labellingCost');
  const training = trainingOf(flags);
  return present({
    training: training === undefined ? undefined : [training],
    durationHours: of('durationHours')?.mid,
    statedTonnes: of('statedTonnes')?.mid,
    model: textOf(flags, 'model'),
    gpuModel: textOf(flags, 'gpuModel'),
    people: amount === undefined ? undefined : [{ role: 'people', amount }],
    hardware: hardwareOf(flags, config),
    labelling: labelling === undefined ? undefined : { amount: labelling },
    data: dataOf(flags),
    deployment: deploymentOf(flags),
    water: waterOf(config),
    embodied: embodiedOf(config),
    regions: regionsOf(flags),
    pricePerKilowattHour: config.price === undefined ? undefined : exactly(config.price),
    currency: config.currency,
    powerUsageEffectiveness: config.pue === undefined ? undefined : exactly(config.pue),
    zone: config.zone,
  });
}

/** Whether the flags make a plan of their own, and do not only change one. */
export const makesPlan = ({ training, data }: PlanOverrides): boolean =>
  training !== undefined || data?.formula !== undefined;

/** What flags alone make a plan of. */
export const EMPTY_PLAN: Plan = { name: 'A plan from the command line', training: [] };

function trainingOf(flags: Flags): Phase | undefined {
  const name = 'training';
  const formula = formulaOf(flags, { k: 'k', hours: 'hours', kilowatts: 'kilowatts' });
  const energy = quantityOf(flags, 'energyKilowattHours');
  const gpuHours = quantityOf(flags, 'gpuHours');
  const ratedWatts = quantityOf(flags, 'ratedWatts')?.mid;
  const hasWatts = flags['wattsPerGpu'] !== undefined;
  needs(flags, 'hostWattsPerGpu', 'wattsPerGpu');
  needs(flags, 'ratedWatts', 'gpuHours');
  if ([formula !== undefined, energy !== undefined, hasWatts].filter(Boolean).length > 1)
    throw new UsageError(
      'The training is given twice. Give --k, --hours and --kilowatts, or --gpu-hours and --watts-per-gpu, or --energy-kilowatt-hours.',
    );
  // Beside the others, GPU-hours are what rent and the making of GPUs count by.
  const beside = present({ gpuHours, ratedWatts });
  if (formula !== undefined) return { kind: 'formula', name, ...formula, ...beside };
  if (energy !== undefined) return { kind: 'energy', name, energyKilowattHours: energy, ...beside };
  const pair = together(flags, ['gpuHours', 'wattsPerGpu']);
  if (pair === undefined) return undefined;
  const [hours = exactly(0), wattsPerGpu = exactly(0)] = pair;
  const hostWattsPerGpu = quantityOf(flags, 'hostWattsPerGpu');
  return {
    kind: 'gpu-hours',
    name,
    gpuHours: hours,
    wattsPerGpu,
    ...present({ hostWattsPerGpu, ratedWatts }),
  };
}

function formulaOf(
  flags: Flags,
  names: { readonly k: string; readonly hours: string; readonly kilowatts: string },
): Formula | undefined {
  const parts = together(flags, [names.k, names.hours, names.kilowatts]);
  if (parts === undefined) return undefined;
  const [k = exactly(0), hours = exactly(0), kilowatts = exactly(0)] = parts;
  return { k, hours, kilowatts };
}

/** Quantities that mean nothing without each other. @throws UsageError naming what is missing */
function together(flags: Flags, attributes: readonly string[]): readonly Range[] | undefined {
  const missing = attributes.filter((attribute) => flags[attribute] === undefined);
  if (missing.length === attributes.length) return undefined;
  if (missing.length > 0) {
    const all = attributes.map(flagName);
    throw new UsageError(
      `${all.slice(0, -1).join(', ')} and ${all.at(-1) ?? ''} belong together: give ${missing.map(flagName).join(' and ')} too.`,
    );
  }
  return attributes.map((attribute) => quantityOf(flags, attribute) ?? exactly(0));
}

/** @throws UsageError where a flag would be without effect */
function needs(flags: Flags, attribute: string, other: string): void {
  if (flags[attribute] !== undefined && flags[other] === undefined)
    throw new UsageError(
      `${flagName(attribute)} says nothing without ${flagName(other)}: give ${flagName(other)} too.`,
    );
}

function hardwareOf(flags: Flags, { rentPerGpuHour }: Config): Hardware | undefined {
  const amount = quantityOf(flags, 'hardwareCost');
  if (amount !== undefined && rentPerGpuHour !== undefined)
    throw new UsageError(
      '--hardware-cost and --rent-per-gpu-hour exclude each other: GPUs are bought or rented. Leave one out.',
    );
  if (amount !== undefined) return { kind: 'bought', amount };
  if (rentPerGpuHour === undefined) return undefined;
  return { kind: 'rented', ratePerGpuHour: exactly(rentPerGpuHour) };
}

function dataOf(flags: Flags): Plan['data'] {
  const formula = formulaOf(flags, {
    k: 'dataK',
    hours: 'dataHours',
    kilowatts: 'dataKilowatts',
  });
  const sizeGigabytes = quantityOf(flags, 'dataGigabytes');
  const isGiven = formula !== undefined || sizeGigabytes !== undefined;
  return isGiven ? present({ formula, sizeGigabytes }) : undefined;
}

function deploymentOf(flags: Flags): Partial<NonNullable<Plan['deployment']>> | undefined {
  const given = present({
    days: quantityOf(flags, 'days'),
    requestsPerDay: quantityOf(flags, 'requestsPerDay'),
    wattHoursPerRequest: quantityOf(flags, 'wattHoursPerRequest'),
  });
  return Object.keys(given).length === 0 ? undefined : given;
}

function waterOf({ wue, ewif }: Config): Plan['water'] {
  if (wue === undefined && ewif === undefined) return undefined;
  return {
    ...(wue === undefined ? {} : { wueLitresPerKilowattHour: exactly(wue) }),
    ...(ewif === undefined ? {} : { ewifLitresPerKilowattHour: exactly(ewif) }),
  };
}

const embodiedOf = ({ embodiedKilograms }: Config): Plan['embodied'] =>
  embodiedKilograms === undefined ? undefined : { kilogramsPerGpu: exactly(embodiedKilograms) };

/** `SWE,north=grid.csv,north=prices.csv`: what a file holds is told by whoever reads it. */
function regionsOf(flags: Flags): Readonly<Record<string, PlannedRegion>> | undefined {
  const list = textOf(flags, 'regions');
  if (list === undefined) return undefined;
  const regions: Record<string, PlannedRegion> = {};
  for (const word of list.split(',').map((each) => each.trim())) {
    const [name = '', file] = word.split('=', 2);
    if (name === '' || file === '')
      throw new UsageError(
        `--regions ${list}: ${JSON.stringify(word)} names no place. Write SWE, or NAME=FILE, with commas between.`,
      );
    const known = regions[name] ?? {};
    regions[name] =
      file === undefined
        ? { ...known, zone: name }
        : { ...known, files: [...(known.files ?? []), file] };
  }
  return regions;
}

const textOf = (flags: Flags, attribute: string): string | undefined => {
  const value = flags[attribute];
  return typeof value === 'string' ? value : undefined;
};

/** @throws UsageError naming the flag */
function quantityOf(flags: Flags, attribute: string): Range | undefined {
  const text = textOf(flags, attribute);
  if (text === undefined) return undefined;
  const numbers = text.split('..').map((part) => (part.trim() === '' ? NaN : Number(part)));
  const [low = NaN, mid = low, high = mid] = numbers;
  const isRange = numbers.length === 1 || numbers.length === 3;
  if (isRange && low >= 0 && low <= mid && mid <= high && high < Infinity)
    return { low, mid, high };
  throw new UsageError(
    `${flagName(attribute)} must be a number ≥ 0, or LOW..MID..HIGH ascending, not ${JSON.stringify(text)}.`,
  );
}

const flagName = (attribute: string): string =>
  `--${attribute.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
