// What part of a run's budgets is used, and when somebody must hear of it. Pure; terminate.ts and webhook.ts act.

import type { Warning } from '../model.ts';

/** What a run may use; at least one is set where there is a budget at all. */
export interface BudgetLimits {
  readonly energyKilowattHours?: number;
  readonly costAmount?: number;
  readonly co2eGrams?: number;
}

/** What it has used; absent means unknown (no price, no zone). */
export interface BudgetSpending {
  readonly energyKilowattHours?: number;
  readonly costAmount?: number;
  readonly co2eGrams?: number;
}

export type BudgetKind = 'energy' | 'cost' | 'co2e';

/** One budget's state; `usedRatio` may exceed 1 and is absent while unknown. */
export interface BudgetState {
  readonly kind: BudgetKind;
  readonly limit: number;
  readonly used?: number;
  readonly usedRatio?: number;
}

/** A threshold that was passed, told once. */
export interface BudgetEvent {
  readonly kind: BudgetKind;
  readonly level: 'nearly-used' | 'exceeded';
  readonly limit: number;
  readonly used: number;
  readonly message: string;
}

const NEARLY_USED_RATIO = 0.8;

const OPTIONS = {
  energy: '--budget-kilowatt-hours',
  cost: '--budget-cost',
  co2e: '--budget-co2e-grams',
} as const satisfies Record<BudgetKind, string>;

/** Every budget that is set, and how much of it is used. */
export function budgetStates(limits: BudgetLimits, spending: BudgetSpending): BudgetState[] {
  return [
    stateOf('energy', limits.energyKilowattHours, spending.energyKilowattHours),
    stateOf('cost', limits.costAmount, spending.costAmount),
    stateOf('co2e', limits.co2eGrams, spending.co2eGrams),
  ].filter((state) => state !== undefined);
}

function stateOf(
  kind: BudgetKind,
  limit: number | undefined,
  used: number | undefined,
): BudgetState | undefined {
  if (limit === undefined) return undefined;
  if (used === undefined) return { kind, limit };
  // A budget of nothing is used up by anything.
  const usedRatio = limit > 0 ? used / limit : used > 0 ? Infinity : 0;
  return { kind, limit, used, usedRatio };
}

/** Budgets that can never be judged, because nothing gives their figure; said once at the start. */
export function unjudgedBudgets(states: readonly BudgetState[]): Warning[] {
  return states
    .filter(({ used }) => used === undefined)
    .map(({ kind }) => ({
      code: 'budget-unjudged',
      message: `${OPTIONS[kind]} cannot be watched: the run has no figure for it. ${kind === 'co2e' ? 'Give --zone or --grid.' : 'Is anything measured, and is there a price?'}`,
    }));
}

/** Watches a run's budgets and speaks up once per threshold, however the figures waver. */
export class BudgetWatch {
  readonly #limits: BudgetLimits;
  readonly #units: Readonly<Record<BudgetKind, string>>;
  readonly #told: Set<string> = new Set();

  /** `currency` is that of the cost and its limit. */
  constructor(limits: BudgetLimits, currency: string) {
    this.#limits = limits;
    this.#units = { energy: 'kWh', cost: currency, co2e: 'g CO2e' };
  }

  /** The states now, and the events that are new. */
  assess(spending: BudgetSpending): {
    readonly states: readonly BudgetState[];
    readonly events: readonly BudgetEvent[];
  } {
    const states = budgetStates(this.#limits, spending);
    const events = states.flatMap((state) => eventOf(state, this.#units[state.kind]) ?? []);
    return { states, events: events.filter((event) => this.#isNews(event)) };
  }

  #isNews({ kind, level }: BudgetEvent): boolean {
    const key = `${kind} ${level}`;
    if (this.#told.has(key)) return false;
    this.#told.add(key);
    // Whoever was told the worse need not hear the lesser later.
    this.#told.add(`${kind} nearly-used`);
    return true;
  }
}

function eventOf(
  { kind, limit, used, usedRatio }: BudgetState,
  unit: string,
): BudgetEvent | undefined {
  if (used === undefined || usedRatio === undefined || usedRatio < NEARLY_USED_RATIO) {
    return undefined;
  }
  const level = usedRatio >= 1 ? 'exceeded' : 'nearly-used';
  const share = Number.isFinite(usedRatio) ? ` (${Math.floor(usedRatio * 100)} %)` : '';
  return {
    kind,
    level,
    limit,
    used,
    message: `The ${kind} budget is ${level === 'exceeded' ? 'exceeded' : 'nearly used'}: ${inDigits(used)} of ${inDigits(limit)} ${unit}${share}.`,
  };
}

/** Four digits of a figure, never as `1e-7`. */
const inDigits = (value: number): string =>
  value.toLocaleString('en-US', { maximumSignificantDigits: 4 });
