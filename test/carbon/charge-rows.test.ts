import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { emissionsOf } from '../../agent/carbon/charge.ts';
import { emitRows } from '../../agent/carbon/charge-rows.ts';
import type { Grid } from '../../agent/carbon/grid.ts';
import { newIntervalColumns, pushInterval } from '../../agent/interval-columns.ts';
import type { Schedule } from '../../agent/schedule.ts';
import { instant, kilowattHours } from '../../agent/units.ts';
import { interval } from '../account-doubles.ts';

/** An intensity every ten seconds, some unknown. */
const steps = (values: readonly (number | undefined)[]): Schedule => ({
  valueAt: (time) => values[Math.floor(time / 10)],
  nextChange(time) {
    const next = Math.floor(time / 10) + 1;
    return next <= values.length ? instant(next * 10) : undefined;
  },
});
const intensities = fc
  .array(fc.constantFrom(0, 24.5, 390, undefined), { minLength: 1, maxLength: 8 })
  .map(steps);

describe('emitRows()', () => {
  test('emits as emissionsOf() does one by one, to the last bit', () => {
    const uses = fc.array(
      fc.tuple(
        fc.double({ min: 0, max: 60, noNaN: true }),
        fc.double({ min: 0.1, max: 15, noNaN: true }),
        fc.double({ min: 0, max: 2, noNaN: true }),
        fc.constantFrom(0, 2.5),
      ),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(
        intensities,
        fc.option(intensities, { nil: undefined }),
        uses,
        (own, other, list) => {
          const market = other && { intensity: other, method: 'x', source: 'y' };
          const grid: Grid = {
            zone: 'DEU',
            dataset: 'x',
            vintage: 'y',
            provenance: 'derived',
            intensity: own,
            ...(market === undefined ? {} : { market }),
          };
          const columns = newIntervalColumns(32);
          for (const [row, [start, length, energy, offset]] of list.entries()) {
            const times = { startSeconds: instant(start), endSeconds: instant(start + length) };
            pushInterval(columns, { ...interval({}), ...times, wallOffsetSeconds: offset }, 0);
            columns.numbers.facilityKilowattHours[row] = energy;
          }
          emitRows(columns, { from: 0, to: list.length }, grid);
          const emitted = list.map(([start, length, energy, offset]) =>
            emissionsOf(
              {
                startSeconds: instant(start + offset),
                endSeconds: instant(start + length + offset),
                facilityKilowattHours: kilowattHours(energy),
              },
              grid,
            ),
          );
          const of = (column: Float64Array): number[] => [...column.subarray(0, list.length)];
          const { locationBasedGrams, marketBasedGrams } = columns.numbers;
          expect(of(locationBasedGrams)).toEqual(
            emitted.map((one) => one.locationBasedGrams ?? NaN),
          );
          expect(of(marketBasedGrams)).toEqual(emitted.map((one) => one.marketBasedGrams ?? NaN));
        },
      ),
      { seed: 54, numRuns: 200 },
    );
  });

  test('leaves grams unknown where there is no grid', () => {
    const columns = newIntervalColumns(2);
    pushInterval(columns, interval({}), 0);
    emitRows(columns, { from: 0, to: 1 }, undefined);
    expect(columns.numbers.locationBasedGrams[0]).toBeNaN();
  });
});
