// What papers and model cards print about the energy, carbon and money of training runs: facts, each with its source,
// in the form in which they can be computed again. Pure.

/** A figure as printed, and how far from it the recomputation may lie: printed figures are rounded. */
export interface Printed {
  readonly value: number;
  readonly withinPercent: number;
}

/** kWh = hours × watts × PUE ÷ 1000; tonnes = kWh × g/kWh ÷ 10⁶. */
interface HoursRow {
  readonly kind: 'hours';
  /** Accelerator-hours; for Strubell's rows hours of the whole job, whose power `watts` is. */
  readonly hours: number;
  readonly watts: number;
  /** Absent where the source leaves PUE out, or has it within the watts. */
  readonly powerUsageEffectiveness?: number;
  /** Absent where the source prints none: tonnes ÷ kWh is then implied, and checked for plausibility. */
  readonly gramsPerKilowattHour?: number;
  readonly kilowattHours?: Printed;
  readonly tonnes?: Printed;
}

/** Tonnes from a printed energy before PUE. */
interface EnergyRow {
  readonly kind: 'energy';
  readonly kilowattHoursBeforePue: number;
  readonly powerUsageEffectiveness: number;
  readonly gramsPerKilowattHour: number;
  readonly tonnes: Printed;
}

/** Tonnes as the sum of other rows' tonnes. */
interface SumRow {
  readonly kind: 'sum';
  readonly of: readonly string[];
  readonly tonnes: Printed;
}

/** Embodied tonnes: kg ÷ (years × 8760 × utilisation) × device-hours ÷ 1000. */
interface EmbodiedRow {
  readonly kind: 'embodied';
  readonly kilograms: number;
  readonly lifeYears: number;
  readonly utilisationRatio: number;
  readonly deviceHours: number;
  readonly tonnes: Printed;
}

/** Rent: devices × hours × rate. */
interface RentRow {
  readonly kind: 'rent';
  readonly devices: number;
  readonly hours: number;
  readonly dollarsPerHour: number;
  readonly dollars: Printed;
}

/** Electricity: kWh × price. */
interface ElectricityRow {
  readonly kind: 'electricity';
  readonly energyKilowattHours: number;
  /** Whose training took it: held against what is published of the same. */
  readonly trained: string;
  readonly dollarsPerKilowattHour: number;
  readonly dollars: Printed;
}

/** The article's E = k · T · P. */
interface FormulaRow {
  readonly kind: 'formula';
  readonly k: number;
  readonly hours: number;
  readonly kilowatts: number;
  readonly kilowattHours: Printed;
}

/** A published run, or a published part of one. */
export type PublishedRun = {
  readonly id: string;
  readonly model: string;
  readonly hardware?: string;
  /** Rated power of one accelerator in W. */
  readonly ratedWatts?: number;
  readonly source: string;
  readonly note?: string;
} & (HoursRow | EnergyRow | SumRow | EmbodiedRow | RentRow | ElectricityRow | FormulaRow);

const printed = (value: number, withinPercent = 1): Printed => ({ value, withinPercent });

const STRUBELL = 'Strubell et al. 2019, Table 3 (arXiv:1906.02243)';
const PATTERSON = 'Patterson et al. 2021 (arXiv:2104.10350)';
const LLAMA = 'Touvron et al. 2023, LLaMA, Table 15 (arXiv:2302.13971)';
const CARDS = 'Meta, Llama model cards';
const OLMO = 'Groeneveld et al. 2024, OLMo (arXiv:2402.00838)';
const BLOOM = 'Luccioni et al. 2023, BLOOM (arXiv:2211.02001)';
const DEEPSEEK = 'DeepSeek-AI 2024, DeepSeek-V3, Table 1 (arXiv:2412.19437)';
const ARTICLE = 'The article behind this project (illustrative)';

/** 0.954 lb/kWh, the United States' average that Strubell uses. */
const STRUBELL_GRAMS = 0.954 * 453.59237;

const strubell = (hours: number, watts: number, kilowattHours: Printed, tonnes: Printed) =>
  ({
    kind: 'hours',
    hours,
    watts,
    powerUsageEffectiveness: 1.58,
    gramsPerKilowattHour: STRUBELL_GRAMS,
    kilowattHours,
    tonnes,
    source: STRUBELL,
  }) as const;

const llama1 = (hours: number, kilowattHours: number, tonnes: number) =>
  ({
    kind: 'hours',
    hardware: 'A100-80GB',
    ratedWatts: 400,
    hours,
    watts: 400,
    powerUsageEffectiveness: 1.1,
    gramsPerKilowattHour: 385,
    kilowattHours: printed(kilowattHours),
    tonnes: printed(tonnes),
    source: LLAMA,
    note: 'rated, not measured power',
  }) as const;

const llama2 = (hours: number, watts: number, tonnes: number) =>
  ({
    kind: 'hours',
    hardware: 'A100-80GB',
    ratedWatts: 400,
    hours,
    watts,
    powerUsageEffectiveness: 1.1,
    gramsPerKilowattHour: 385,
    tonnes: printed(tonnes, 0.1),
    source: CARDS,
    note: 'PUE and g/kWh are not in the card; those of LLaMA recompute it',
  }) as const;

const llama3 = (hours: number, tonnes: number) =>
  ({
    kind: 'hours',
    hardware: 'H100-80GB',
    ratedWatts: 700,
    hours,
    watts: 700,
    tonnes: printed(tonnes),
    source: CARDS,
    note: 'rated power; the card prints neither kWh nor g/kWh',
  }) as const;

const olmo = (kilowattHours: number, pue: number, grams: number, tonnes: Printed) =>
  ({
    kind: 'energy',
    kilowattHoursBeforePue: kilowattHours,
    powerUsageEffectiveness: pue,
    gramsPerKilowattHour: grams,
    tonnes,
    source: OLMO,
    note: 'the printed energy is before PUE',
  }) as const;

const deepseek = (id: string, model: string, gpuHours: number, dollars: number) =>
  ({
    id,
    model,
    hardware: 'H800',
    kind: 'rent',
    devices: 1,
    hours: gpuHours,
    dollarsPerHour: 2,
    dollars: printed(dollars, 0.5),
    source: DEEPSEEK,
    note: 'rent of the final run alone, at an assumed 2 USD per GPU-hour',
  }) as const;

/** All published rows. */
export const PUBLISHED_RUNS: readonly PublishedRun[] = [
  {
    id: 'strubell-tbase',
    model: 'Transformer base',
    hardware: '8 × P100',
    ...strubell(12, 1415.78, printed(27), printed(0.0118, 2)),
  },
  {
    id: 'strubell-tbig',
    model: 'Transformer big',
    hardware: '8 × P100',
    ...strubell(84, 1515.43, printed(201), printed(0.0871)),
  },
  {
    id: 'strubell-bert',
    model: 'BERT base',
    hardware: '64 × V100',
    ...strubell(79, 12_041.51, printed(1507), printed(0.6523)),
    note: '79 h are printed; 79.2 h (3.3 days) give 1506.8 kWh',
  },
  {
    id: 'strubell-nas',
    model: 'Evolved Transformer search',
    hardware: '8 × P100',
    ...strubell(274_120, 1515.43, printed(656_347), printed(284.0191)),
    note: 'Patterson et al. 2021 found it 88 times too high',
  },
  {
    id: 'pat-gpt3',
    model: 'GPT-3 175B',
    hardware: 'V100',
    kind: 'hours',
    hours: 3_552_000,
    watts: 330,
    powerUsageEffectiveness: 1.1,
    gramsPerKilowattHour: 429,
    kilowattHours: printed(1_287_000),
    tonnes: printed(552.1),
    source: PATTERSON,
  },
  {
    id: 'pat-t5',
    model: 'T5 11B',
    hardware: 'TPUv3',
    kind: 'hours',
    hours: 245_760,
    watts: 310,
    powerUsageEffectiveness: 1.12,
    gramsPerKilowattHour: 545,
    kilowattHours: printed(85_700),
    tonnes: printed(46.7),
    source: PATTERSON,
  },
  {
    id: 'pat-switch',
    model: 'Switch 1.5T',
    hardware: 'TPUv3',
    kind: 'hours',
    hours: 663_552,
    watts: 245,
    powerUsageEffectiveness: 1.1,
    gramsPerKilowattHour: 330,
    kilowattHours: printed(179_000),
    tonnes: printed(59.1),
    source: PATTERSON,
    note: 'a slice of 1024 chips',
  },
  { id: 'llama1-opt-175b', model: 'OPT-175B', ...llama1(809_472, 356_000, 137) },
  {
    id: 'llama1-bloom-175b',
    model: 'BLOOM-175B as if in another data centre',
    ...llama1(1_082_880, 475_000, 183),
  },
  { id: 'llama1-llama-7b', model: 'LLaMA-7B', ...llama1(82_432, 36_000, 14) },
  { id: 'llama1-llama-13b', model: 'LLaMA-13B', ...llama1(135_168, 59_000, 23) },
  { id: 'llama1-llama-65b', model: 'LLaMA-65B', ...llama1(1_022_362, 449_000, 173) },
  { id: 'llama2-7b', model: 'Llama 2 7B', ...llama2(184_320, 400, 31.22) },
  {
    id: 'llama2-34b',
    model: 'Llama 2 34B',
    ...llama2(1_038_336, 350, 153.92),
    note: 'not released: the card’s total less its rows, at 350 W',
  },
  { id: 'llama2-70b', model: 'Llama 2 70B', ...llama2(1_720_320, 400, 291.42) },
  {
    id: 'llama2-13b',
    model: 'Llama 2 13B',
    ...llama2(368_640, 400, 62.44),
  },
  {
    id: 'llama2-total',
    model: 'Llama 2, all',
    kind: 'sum',
    of: ['llama2-7b', 'llama2-13b', 'llama2-34b', 'llama2-70b'],
    tonnes: printed(539),
    source: CARDS,
  },
  { id: 'llama3-8b', model: 'Llama 3 8B', ...llama3(1.3e6, 390) },
  { id: 'llama3-70b', model: 'Llama 3 70B', ...llama3(6.4e6, 1900) },
  { id: 'llama31-8b', model: 'Llama 3.1 8B', ...llama3(1.46e6, 420) },
  { id: 'llama31-405b', model: 'Llama 3.1 405B', ...llama3(30.84e6, 8930) },
  { id: 'llama32-1b', model: 'Llama 3.2 1B', ...llama3(370_000, 107) },
  { id: 'llama32-3b', model: 'Llama 3.2 3B', ...llama3(460_000, 133) },
  { id: 'llama32-3b-qlora', model: 'Llama 3.2 3B QLoRA', ...llama3(1600, 0.461) },
  { id: 'llama32v-11b', model: 'Llama 3.2 Vision 11B', ...llama3(246_120, 71) },
  {
    id: 'llama33-70b',
    model: 'Llama 3.3 70B',
    ...llama3(7e6, 12.9),
    note: 'as many hours as Llama 3.1 70B, which printed 2,040 t',
  },
  { id: 'llama4-scout', model: 'Llama 4 Scout', ...llama3(5e6, 1354) },
  { id: 'llama4-maverick', model: 'Llama 4 Maverick', ...llama3(2.38e6, 645) },
  { id: 'olmo1-gopher-280b', model: 'Gopher-280B', ...olmo(1_066_000, 1.08, 330, printed(380)) },
  { id: 'olmo1-bloom-176b', model: 'BLOOM-176B', ...olmo(433_000, 1.2, 57, printed(30, 2)) },
  { id: 'olmo1-t5-11b', model: 'T5-11B', ...olmo(77_000, 1.12, 545, printed(47)) },
  { id: 'olmo1-llama-7b', model: 'LLaMA-7B', ...olmo(33_000, 1.1, 385, printed(14)) },
  {
    id: 'olmo1-olmo-7b-mi250x',
    model: 'OLMo-7B on MI250X',
    ...olmo(135_000, 1.1, 0, printed(0)),
    note: 'hydropower contracts counted as 0 g/kWh: market-based',
  },
  { id: 'olmo1-olmo-7b-a100', model: 'OLMo-7B on A100', ...olmo(104_000, 1.1, 610, printed(70)) },
  {
    id: 'bloom-dynamic',
    model: 'BLOOM-176B',
    hardware: '384 × A100-80GB',
    ratedWatts: 400,
    kind: 'hours',
    hours: 1_082_990,
    watts: 400,
    gramsPerKilowattHour: 57,
    kilowattHours: printed(433_196),
    tonnes: printed(24.69),
    source: BLOOM,
    note: 'without PUE',
  },
  {
    id: 'bloom-embodied-gpu',
    model: 'BLOOM-176B, making the GPUs',
    kind: 'embodied',
    kilograms: 150,
    lifeYears: 6,
    utilisationRatio: 0.85,
    deviceHours: 1_082_990,
    tonnes: printed(3.64),
    source: BLOOM,
  },
  {
    id: 'bloom-embodied-server',
    model: 'BLOOM-176B, making the servers',
    kind: 'embodied',
    kilograms: 2500,
    lifeYears: 6,
    utilisationRatio: 0.85,
    deviceHours: 1_082_990 / 8,
    tonnes: printed(7.57),
    source: BLOOM,
  },
  {
    id: 'sd-v1',
    model: 'Stable Diffusion v1',
    hardware: 'A100 PCIe 40GB',
    ratedWatts: 250,
    kind: 'hours',
    hours: 150_000,
    watts: 250,
    tonnes: printed(11.25),
    source: 'CompVis, Stable Diffusion model card',
    note: 'rated power, no PUE; the card prints neither kWh nor g/kWh',
  },
  {
    id: 'cost-strubell-bert-preempt',
    model: 'BERT base, preemptible rent',
    kind: 'rent',
    devices: 64,
    hours: 79.2,
    dollarsPerHour: 0.74,
    dollars: printed(3751),
    source: STRUBELL,
  },
  {
    id: 'cost-strubell-bert-ondemand',
    model: 'BERT base, on-demand rent',
    kind: 'rent',
    devices: 64,
    hours: 79.2,
    dollarsPerHour: 2.48,
    dollars: printed(12_571),
    source: STRUBELL,
  },
  {
    id: 'cost-strubell-nas-preempt',
    model: 'Evolved Transformer search, preemptible rent',
    kind: 'rent',
    devices: 8,
    hours: 274_120,
    dollarsPerHour: 0.43,
    dollars: printed(942_973),
    source: STRUBELL,
  },
  {
    id: 'cost-strubell-nas-ondemand',
    model: 'Evolved Transformer search, on-demand rent',
    kind: 'rent',
    devices: 8,
    hours: 274_120,
    dollarsPerHour: 1.46,
    dollars: printed(3_201_722),
    source: STRUBELL,
  },
  deepseek('deepseek-v3-pretraining', 'DeepSeek-V3, pre-training', 2_664_000, 5_328_000),
  deepseek('deepseek-v3-context', 'DeepSeek-V3, context extension', 119_000, 238_000),
  deepseek('deepseek-v3-posttraining', 'DeepSeek-V3, post-training', 5_000, 10_000),
  deepseek('deepseek-v3', 'DeepSeek-V3', 2_788_000, 5_576_000),
  {
    id: 'seed-bert-electricity',
    model: 'BERT, electricity of the illustrative case',
    kind: 'electricity',
    energyKilowattHours: 50_000_000,
    trained: 'BERT base',
    dollarsPerKilowattHour: 0.1,
    dollars: printed(5_000_000, 0),
    source: ARTICLE,
    note: 'contradicted by measurements: estimate --case bert says how far',
  },
  {
    id: 'seed-e-compute',
    model: 'Worked example, E_compute',
    kind: 'formula',
    k: 0.5,
    hours: 1000,
    kilowatts: 10,
    kilowattHours: printed(5000, 0),
    source: ARTICLE,
  },
  {
    id: 'seed-e-data',
    model: 'Worked example, E_data',
    kind: 'formula',
    k: 0.2,
    hours: 500,
    kilowatts: 1,
    kilowattHours: printed(100, 0),
    source: ARTICLE,
  },
];

/** A model's published energy, for "is this plan out of all proportion?". */
export interface PublishedEnergy {
  readonly model: string;
  readonly kilowattHours: number;
  readonly source: string;
}

/** kWh printed for each model; where only hours and watts are printed, their product. */
export const PUBLISHED_ENERGIES: readonly PublishedEnergy[] = PUBLISHED_RUNS.flatMap((run) => {
  if (run.kind !== 'hours') return [];
  const computed = (run.hours * run.watts * (run.powerUsageEffectiveness ?? 1)) / 1000;
  const kilowattHours = run.kilowattHours?.value ?? computed;
  return [{ model: run.model, kilowattHours, source: run.source }];
});
