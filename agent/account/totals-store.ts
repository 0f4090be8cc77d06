// Totals of settled windows as rows of numbers: a hundred thousand steps in some twenty megabytes, not a hundred. Pure.

import type { Totals, UncertaintyComponents } from '../account.ts';

type NumberKey = Exclude<keyof Totals, 'components' | 'gapSeconds' | 'method'>;

// The compiler refuses a total that has no column here.
const COLUMNS = {
  energyJoules: 0,
  uncertaintyJoules: 1,
  observedSeconds: 2,
  bridgedSeconds: 3,
  gapEstimateJoules: 4,
  gapEstimateUncertaintyJoules: 5,
  powerMaxWatts: 6,
  powerMinWatts: 7,
  sampleCount: 8,
  counterJoules: 9,
  integralJoules: 10,
  comparedSeconds: 11,
  facilityKilowattHours: 12,
  costAmount: 13,
  creditAmount: 14,
  uncertaintyCostAmount: 15,
  locationBasedGrams: 16,
  marketBasedGrams: 17,
} as const satisfies Record<NumberKey, number>;
const COMPONENT_COLUMNS = {
  gainJoules: 18,
  offsetJoules: 19,
  aliasJoules: 20,
  edgeJoules: 21,
  independentJoules: 22,
} as const satisfies Record<keyof UncertaintyComponents, number>;
const ROW = 23;
const ROWS_PER_CHUNK = 1024;

/** What is not a number, shared between rows that say the same. */
type Words = Pick<Totals, 'gapSeconds' | 'method'>;

/** Keeps totals by number; what it gives back equals what it was given. */
export interface TotalsStore {
  /** Keeps totals and returns their number. */
  add(totals: Totals): number;
  replace(number: number, totals: Totals): void;
  get(number: number): Totals;
}

/** An empty store. */
export function createTotalsStore(): TotalsStore {
  const chunks: Float64Array[] = [];
  const words: Words[] = [];
  const gapless = new Map<Totals['method'], Words>();

  const rowOf = (number: number): Float64Array => {
    const chunk = (chunks[Math.floor(number / ROWS_PER_CHUNK)] ??= new Float64Array(
      ROWS_PER_CHUNK * ROW,
    ));
    const start = (number % ROWS_PER_CHUNK) * ROW;
    return chunk.subarray(start, start + ROW);
  };
  const wordsOf = ({ gapSeconds, method }: Totals): Words => {
    const own = { gapSeconds, ...(method === undefined ? {} : { method }) };
    if (Object.keys(gapSeconds).length > 0) return own;
    const shared = gapless.get(method) ?? own;
    gapless.set(method, shared);
    return shared;
  };
  const replace = (number: number, totals: Totals): void => {
    const row = rowOf(number);
    words[number] = wordsOf(totals);
    // NaN is absent: a total is never NaN, because journals and meters refuse it.
    for (const [key, column] of Object.entries(COLUMNS)) {
      row[column] = totals[key as NumberKey] ?? NaN;
    }
    for (const [key, column] of Object.entries(COMPONENT_COLUMNS)) {
      row[column] = totals.components[key as keyof UncertaintyComponents];
    }
  };

  return {
    replace,
    add(totals) {
      const number = words.length;
      replace(number, totals);
      return number;
    },
    get(number) {
      const row = rowOf(number);
      const numbers = Object.entries(COLUMNS)
        .map(([key, column]) => [key, row[column] ?? NaN] as const)
        .filter(([, value]) => !Number.isNaN(value));
      const components = Object.entries(COMPONENT_COLUMNS).map(([key, column]) => [
        key,
        row[column],
      ]);
      // The two tables above are the keys of these types, each with the number that was stored under it.
      return {
        ...(Object.fromEntries(numbers) as unknown as Totals),
        components: Object.fromEntries(components) as UncertaintyComponents,
        ...words[number],
      };
    },
  };
}
