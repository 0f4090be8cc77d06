// Carbon of making the hardware, shared out over its life: the M of SCI (ISO/IEC 21031). Pure.

import { grams, type Grams } from '../units.ts';

const HOURS_PER_YEAR = 8760;
const SECONDS_PER_HOUR = 3600;
const GRAMS_PER_KILOGRAM = 1000;

// A common write-off of servers; an assumption where nothing is given.
const ASSUMED_LIFE_YEARS = 4;

/** M = TE·(TiR/EL)·(RR/ToR), in SCI's own terms. */
export interface EmbodiedShare {
  /** TE: everything emitted in making it. */
  readonly totalKilograms: number;
  /** TiR: how long it was reserved for the run. */
  readonly reservedSeconds: number;
  /** EL: its expected life, > 0. */
  readonly lifeYears: number;
  /** RR/ToR: the part of it that was reserved, 0–1; 1 when it was the whole. */
  readonly reservedRatio?: number;
}

/** The run's part of the embodied emissions. */
export function embodiedGrams(share: EmbodiedShare): Grams {
  const { totalKilograms, reservedSeconds, lifeYears, reservedRatio = 1 } = share;
  const lifeSeconds = lifeYears * HOURS_PER_YEAR * SECONDS_PER_HOUR;
  return grams(
    ((totalKilograms * GRAMS_PER_KILOGRAM * reservedSeconds) / lifeSeconds) * reservedRatio,
  );
}

/** What one GPU's making emitted, and who says so. */
export interface EmbodiedFigure {
  readonly kilogramsPerGpu: number;
  readonly lowKilograms: number;
  readonly highKilograms: number;
  readonly source: string;
}

interface EmbodiedRow extends EmbodiedFigure {
  readonly model: RegExp;
}

const perGpuOfBoard = (boardKilograms: number): Omit<EmbodiedFigure, 'source'> => ({
  kilogramsPerGpu: boardKilograms / 8,
  lowKilograms: boardKilograms / 8,
  highKilograms: boardKilograms / 8,
});

// HGX figures are of the baseboard with eight SXM modules, so cards for PCIe and Grace modules are not meant by them.
const FIGURES: readonly EmbodiedRow[] = [
  {
    model: /^(?:NVIDIA )?H100(?: SXM5?)? 80GB HBM3$|^(?:NVIDIA )?H100[- ]SXM/,
    ...perGpuOfBoard(1312),
    source: 'NVIDIA product carbon footprint, HGX H100: 1,312 kg per 8 GPUs',
  },
  {
    model: /^(?:NVIDIA )?B200\b/,
    ...perGpuOfBoard(2274),
    source: 'NVIDIA product carbon footprint, HGX B200: 2,274 kg per 8 GPUs',
  },
  {
    model: /\bA100\b/,
    kilogramsPerGpu: (127.6 + 150) / 2,
    lowKilograms: 127.6,
    highKilograms: 150,
    source: 'published estimates for the A100: 127.6–150 kg, their middle',
  },
];

/** The published figure for a GPU model; absent for hardware that nobody has published. */
export function embodiedFigureOf(model: string): EmbodiedFigure | undefined {
  const row = FIGURES.find((candidate) => candidate.model.test(model));
  if (row === undefined) return undefined;
  const { kilogramsPerGpu, lowKilograms, highKilograms, source } = row;
  return { kilogramsPerGpu, lowKilograms, highKilograms, source };
}

/** What a run reserved, and what its user says of it. */
export interface EmbodiedRun {
  /** Model of each GPU of the run. */
  readonly models: readonly string[];
  readonly reservedSeconds: number;
  /** Of one GPU, its share of the server included, where the user knows it (--embodied-kilograms). */
  readonly kilogramsPerGpu?: number;
  readonly lifeYears?: number;
}

/** The embodied part of a run, with what it stands on. */
export interface EmbodiedResult {
  readonly embodiedGrams: Grams;
  readonly provenance: 'derived' | 'assumed';
  readonly source: string;
}

/**
 * The run's embodied emissions over all its GPUs; undefined as soon as nobody has published a figure for one of them,
 * for a sum without it would be too low.
 */
export function embodiedOfRun(run: EmbodiedRun): EmbodiedResult | undefined {
  const { models, reservedSeconds, kilogramsPerGpu, lifeYears = ASSUMED_LIFE_YEARS } = run;
  const sources = new Set<string>();
  let totalKilograms = 0;
  for (const model of models) {
    const figure = kilogramsPerGpu === undefined ? embodiedFigureOf(model) : undefined;
    const kilograms = kilogramsPerGpu ?? figure?.kilogramsPerGpu;
    if (kilograms === undefined) return undefined;
    sources.add(figure?.source ?? `${kilograms} kg per GPU as given`);
    totalKilograms += kilograms;
  }
  if (models.length === 0) return undefined;
  const provenance = kilogramsPerGpu === undefined ? 'assumed' : 'derived';
  // A figure that is assumed as a whole says so itself.
  const isLifeMarked = run.lifeYears === undefined && provenance !== 'assumed';
  return {
    embodiedGrams: embodiedGrams({ totalKilograms, reservedSeconds, lifeYears }),
    provenance,
    source: `${[...sources].join('; ')}, over ${lifeYears} years${isLifeMarked ? ' (assumed)' : ''}`,
  };
}
