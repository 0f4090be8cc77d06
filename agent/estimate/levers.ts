// What would change the bill: each lever applied to a plan, with its range, its source and the point at which it pays.
// A negative saving is an extra cost. Pure.

import { sumOf as sumOfNumbers } from '../sum.ts';
import type { PhaseEnergy } from './energy.ts';
import { marketSource, SOCIAL_COST } from './impact.ts';
import type { LeverInput, LeverResult, OpenLever } from './lever.ts';
import {
  DATA_PRUNING,
  POWER_CAP_V100,
  QUANTISATION,
  RENEWABLES,
  SUCCESSIVE_HALVING,
  TRANSFER_LEARNING,
  type CapOutcome,
  type Sourced,
} from './lever-facts.ts';
import { formatNumber } from './number.ts';
import { exactly, ordered, productOf, scaled, sumOf, type Range } from './range.ts';
import { shiftLevers } from './shift-levers.ts';

/** All levers that the plan says enough about. */
export function leversOf(input: LeverInput): LeverResult[] {
  return [
    ...powerCap(input),
    ...shorterTraining(input, 'transfer-learning', 'Transfer learning', TRANSFER_LEARNING),
    ...shorterTraining(input, 'data-efficient', 'Data-efficient training', DATA_PRUNING),
    ...earlyStopping(input),
    ...quantisation(input),
    ...distillation(input),
    ...renewables(input),
    ...shiftLevers(input),
  ];
}

const NEEDS = [
  { id: 'power-cap', name: 'power cap', needs: 'the GPU-hours and watts of each phase' },
  { id: 'early-stopping', name: 'early stopping', needs: 'a phase that is named a search' },
  { id: 'quantisation', name: 'model compression', needs: 'the deployment' },
  { id: 'time-shift', name: 'time shift', needs: '--tariff or --grid FILE' },
  { id: 'region', name: 'region shift', needs: 'other places: regions' },
] as const;

/** Those that the plan says too little for. */
export const openLeversOf = (levers: readonly LeverResult[]): OpenLever[] =>
  NEEDS.filter((open) => !levers.some(({ id }) => id.startsWith(open.id))).map(
    ({ name, needs }) => ({ name, needs }),
  );

/** Node saving = 1 − (P'_gpu + P_host)(1 + slowdown) ÷ (P_gpu + P_host), per phase with known power. */
function powerCap(input: LeverInput): LeverResult[] {
  const { energy, basis } = input;
  const pue = basis.powerUsageEffectiveness.value.mid;
  const saved = (outcome: CapOutcome): number =>
    sumOfNumbers(energy.phases.map((phase) => capSaving(phase, outcome) * pue));
  const { best, mid, worst } = POWER_CAP_V100.value;
  if (energy.gpuHours === undefined || saved(best) === 0) return [];
  const savedKilowattHours = { low: saved(worst), mid: saved(mid), high: saved(best) };
  const gpuHours = sumOfNumbers(energy.phases.map(cappedHours));
  const money = (outcome: CapOutcome): number => capMoney(input, saved(outcome), outcome, gpuHours);
  return [
    {
      id: 'power-cap',
      name: 'Power cap at 80 % of the limit',
      savedKilowattHours,
      savedCost: { low: money(worst), mid: money(mid), high: money(best) },
      ...carbonOf(input, savedKilowattHours),
      breakEven: capBreakEven(input, savedKilowattHours.mid, gpuHours * (mid.timeRatio - 1)),
      source: POWER_CAP_V100.source,
    },
  ];
}

function capSaving({ phase }: PhaseEnergy, { gpuEnergyRatio, timeRatio }: CapOutcome): number {
  if (phase.kind !== 'gpu-hours') return 0;
  const host = phase.hostWattsPerGpu?.mid ?? 0;
  const before = phase.wattsPerGpu.mid + host;
  const after = phase.wattsPerGpu.mid * gpuEnergyRatio + host * timeRatio;
  return ((before - after) * phase.gpuHours.mid) / 1000;
}

/** Hours of a phase that the cap makes longer: those whose power is known. */
const cappedHours = ({ phase }: PhaseEnergy): number =>
  phase.kind === 'gpu-hours' ? phase.gpuHours.mid : 0;

/** Electricity saved less the rent or amortisation of the longer run; the landlord keeps what rented GPUs save. */
function capMoney(
  { cost, basis }: LeverInput,
  savedKilowattHours: number,
  { timeRatio }: CapOutcome,
  gpuHours: number,
): number {
  const price = basis.plan.hardware?.kind === 'rented' ? 0 : basis.price.value.mid;
  const rent = (cost.ratePerGpuHour?.mid ?? 0) * gpuHours * (timeRatio - 1);
  return savedKilowattHours * price - rent;
}

function capBreakEven(input: LeverInput, savedKilowattHours: number, extraHours: number): string {
  const { basis, cost } = input;
  const { currency } = basis;
  const rent = (cost.ratePerGpuHour?.mid ?? 0) * extraHours;
  if (savedKilowattHours <= 0) return 'never: it saves no energy here';
  const kilograms = (savedKilowattHours * (basis.grid?.gramsPerKilowattHour.mid ?? 0)) / 1000;
  if (basis.plan.hardware?.kind === 'rented') {
    const perTonne = (rent / kilograms) * 1000;
    const carbon = kilograms > 0 ? `, ${formatNumber(perTonne)} ${currency} per tonne saved` : '';
    return `on rented GPUs it saves carbon, not money: ${formatNumber(rent)} ${currency} more rent${carbon}`;
  }
  if (rent === 0)
    return `pays at any price, while ${formatNumber(extraHours)} more GPU-hours are free`;
  return `pays above ${formatNumber(rent / savedKilowattHours)} ${currency}/kWh`;
}

/** A lever that multiplies T: energy, rent and amortisation shrink alike. */
function shorterTraining(
  input: LeverInput,
  id: string,
  name: string,
  factor: Sourced<Range>,
): LeverResult[] {
  const { phases } = input.energy;
  return phases.length === 0 ? [] : [shorterPhases(input, { id, name }, phases, factor)];
}

/** The same for some of its phases. */
function shorterPhases(
  input: LeverInput,
  lever: Pick<LeverResult, 'id' | 'name'>,
  phases: readonly PhaseEnergy[],
  { value, source }: Sourced<Range>,
): LeverResult {
  const saving = { low: 1 - value.high, mid: 1 - value.mid, high: 1 - value.low };
  const savedKilowattHours = productOf(energyOf(phases), saving);
  return {
    ...lever,
    savedKilowattHours,
    ...trainingMoney(input, saving, phases),
    ...carbonOf(input, savedKilowattHours),
    source,
  };
}

const energyOf = (phases: readonly PhaseEnergy[]): Range =>
  sumOf(...phases.map(({ facilityKilowattHours }) => facilityKilowattHours));

/** The money that a share of some phases stands for, and up to which cost saving it pays. */
function trainingMoney(
  input: LeverInput,
  saving: Range,
  phases: readonly PhaseEnergy[],
): Pick<LeverResult, 'savedCost' | 'breakEven'> {
  const savedCost = trainingCost(input, saving, phases);
  if (savedCost === undefined) {
    const open = input.energy.phases.filter(({ gpuHours }) => gpuHours === undefined);
    const names = open.map(({ phase }) => phase.name).join(', ');
    return { breakEven: `unknown: it saves rent; give the GPU-hours of ${names}` };
  }
  const most = `${formatNumber(savedCost.mid)} ${input.basis.currency}`;
  return { savedCost, breakEven: `pays while it costs less than ${most}` };
}

/**
 * A share of the phases' rent or amortisation, and of the electricity beside it; undefined where the electricity is
 * inside a rent that the plan's hours do not price.
 */
function trainingCost(
  { cost, basis }: LeverInput,
  saving: Range,
  phases: readonly PhaseEnergy[],
): Range | undefined {
  const rented = basis.plan.hardware?.kind === 'rented';
  if (rented && cost.hardware === undefined) return undefined;
  const electricity = rented ? exactly(0) : productOf(energyOf(phases), basis.price.value);
  const gpuHours = phases.flatMap((phase) => phase.gpuHours ?? []);
  const hardware =
    cost.hardware === undefined || cost.ratePerGpuHour === undefined
      ? exactly(0)
      : productOf(cost.ratePerGpuHour, sumOf(...gpuHours));
  return productOf(saving, sumOf(electricity, hardware));
}

// Fine-tuning is none.
const SEARCH = /search|sweep|hyper-?parameter/i;

/** Only a search has trials that can be stopped early; a phase's name tells. */
function earlyStopping(input: LeverInput): LeverResult[] {
  const search = input.energy.phases.filter(({ phase }) => SEARCH.test(phase.name));
  if (search.length === 0) return [];
  const lever = { id: 'early-stopping', name: 'Early stopping of search trials' };
  return [shorterPhases(input, lever, search, SUCCESSIVE_HALVING)];
}

function quantisation(input: LeverInput): LeverResult[] {
  const { deployment } = input.energy;
  if (deployment === undefined) return [];
  const { low, mid, high } = QUANTISATION.value;
  // The sign is open, so the ends of the load and of the effect must not be crossed.
  const savedKilowattHours = {
    low: deployment.high * (1 - high),
    mid: deployment.mid * (1 - mid),
    high: deployment.high * (1 - low),
  };
  return [
    {
      id: 'quantisation',
      name: 'Model compression: quantisation',
      savedKilowattHours,
      ...moneyOf(input, savedKilowattHours),
      ...carbonOf(input, savedKilowattHours),
      breakEven: quantisationBreakEven(input),
      source: QUANTISATION.source,
    },
  ];
}

function quantisationBreakEven({ basis }: LeverInput): string {
  const now = basis.plan.deployment?.wattHoursPerRequest?.mid;
  const limit = now === undefined ? '' : ` than ${formatNumber(now)} Wh`;
  return `pays when a request then takes less${limit}: no safe sign, so measure one before and after`;
}

/** Pays back after E_distil ÷ (e_big − e_small) requests. */
function distillation(input: LeverInput): LeverResult[] {
  const { basis, energy } = input;
  const { distillation: small, deployment: big } = basis.plan;
  if (small === undefined || big?.wattHoursPerRequest === undefined) return [];
  const pue = basis.powerUsageEffectiveness.value.mid;
  const perRequest = ((big.wattHoursPerRequest.mid - small.wattHoursPerRequest.mid) * pue) / 1000;
  const source = "the plan's own figures";
  const base = { id: 'distillation', name: 'Model compression: distillation', source };
  if (perRequest <= 0) {
    return [{ ...base, breakEven: 'never: the small model needs as much per request' }];
  }
  const even = formatNumber(small.trainingKilowattHours.mid / perRequest);
  const requests = energy.requests ?? exactly(0);
  const saved = (count: number): number => count * perRequest - small.trainingKilowattHours.mid;
  const savedKilowattHours = {
    low: saved(requests.low),
    mid: saved(requests.mid),
    high: saved(requests.high),
  };
  return [
    {
      ...base,
      savedKilowattHours,
      ...moneyOf(input, savedKilowattHours),
      ...carbonOf(input, savedKilowattHours),
      breakEven: `pays back after ${even} requests`,
    },
  ];
}

/** Contracts change the market-based figure only; location-based carbon and energy stay. */
function renewables({ impact, basis, energy }: LeverInput): LeverResult[] {
  const base = { id: 'renewables', name: 'Renewable energy (market-based only)' };
  const { training, trainingMarketBased: own } = impact;
  if (energy.compute.mid === 0) return [];
  if (training === undefined) {
    const breakEven = 'unknown: give the grid (--zone DEU, --grid FILE, or gramsPerKilowattHour)';
    return [{ ...base, breakEven, source: RENEWABLES.source }];
  }
  const market = own ?? scaled(productOf(energy.compute, RENEWABLES.value), 1 / 1000);
  const saved = {
    low: training.low - market.low,
    mid: training.mid - market.mid,
    high: training.high - market.high,
  };
  const social = basis.plan.socialCost ?? SOCIAL_COST;
  const premium = (saved.mid / 1000) * (social.perTonne.mid / energy.compute.mid);
  const perTonne = `${formatNumber(social.perTonne.mid)} ${social.currency}/t`;
  return [
    {
      ...base,
      savedKilograms: ordered(saved),
      breakEven:
        saved.mid > 0
          ? `worth a premium up to ${formatNumber(premium)} ${social.currency}/kWh at ${perTonne}`
          : 'never: the contracts are no cleaner than the grid',
      source: own === undefined ? RENEWABLES.source : marketSource(basis),
    },
  ];
}

function carbonOf(input: LeverInput, saved: Range): { savedKilograms?: Range } {
  const { grid } = input.basis;
  if (grid === undefined) return {};
  return { savedKilograms: scaled(saved, grid.gramsPerKilowattHour.mid / 1000) };
}

function moneyOf(input: LeverInput, saved: Range): { savedCost: Range } {
  return { savedCost: scaled(saved, input.basis.price.value.mid) };
}
