import { describe, expect, test } from 'vitest';

import { acquisitionKilowattHours } from '../../agent/estimate/energy.ts';
import { exactly } from '../../agent/estimate/range.ts';
import { readRunInputs } from '../../agent/estimate/run-inputs-file.ts';
import {
  checkInputsCurrency,
  keptEnergy,
  labellingOf,
  ownedPerGpuHour,
  type RunInputs,
} from '../../agent/estimate/run-inputs.ts';
import { known } from '../known.ts';

const read = (text: string): RunInputs => readRunInputs(text, 'inputs.yml');
const owned = 'purchasePerGpu: 30000, lifeYears: 5, utilisationRatio: 0.5';

describe('an inputs file', () => {
  test('gives owned hardware its share of purchase and operation per GPU-hour', () => {
    const inputs = read(
      `currency: EUR\nhardware: { kind: owned, ${owned}, residualRatio: 0.27, operationPerGpuHour: 0.4 }`,
    );
    // 30,000 × 0.73 ÷ (5 × 8760 × 0.5) = 21,900 ÷ 21,900 = 1, and 0.4 of operation.
    expect(ownedPerGpuHour(inputs)?.mid).toBeCloseTo(1.4, 12);
  });

  test('gives ends: dearest is the highest purchase, the least residual, life and utilisation', () => {
    const inputs = read(`hardware:
  kind: owned
  purchasePerGpu: { low: 8760, mid: 17520, high: 26280 }
  lifeYears: { low: 1, mid: 2, high: 4 }
  residualRatio: { low: 0, mid: 0.5, high: 0.5 }
  utilisationRatio: { low: 0.5, mid: 1, high: 1 }`);
    // Low 8760 × 0.5 ÷ (4 · 8760 · 1), mid 17,520 × 0.5 ÷ (2 · 8760), high 26,280 ÷ (8760 · 0.5).
    expect(ownedPerGpuHour(inputs)).toEqual({ low: 0.125, mid: 0.5, high: 6 });
  });

  test('gives what kept data takes: TB · h × W/TB × replicas × PUE', () => {
    const { data } = read('data: { storage: { terabytes: 2, media: ssd, replication: 3 } }');
    const kept = known(keptEnergy({ data, fileName: 'x' }, 10, 1.5));
    expect(kept.terabyteHours.mid).toBe(20);
    expect(kept.kilowattHours.mid).toBeCloseTo((20 * 3 * 1.2 * 1.5) / 1000, 12);
    expect(kept.ratedKilowatts.mid).toBeCloseTo((2 * 3 * 1.2) / 1000, 12);
    const disks = read('data: { storage: { terabytes: 1, media: hdd, hours: 720 } }');
    expect(keptEnergy(disks, 10, 1)?.kilowattHours.mid).toBeCloseTo(0.468, 12);
  });

  test('gives the energy of getting data and of labelling it, and the money where hours are paid', () => {
    const inputs = read(`data: { sizeGigabytes: 160, acquisitionKilowattHoursPerGigabyte: 0.03 }
labelling: { personHours: 120, payPerHour: 22, workstationWatts: 125 }`);
    expect(acquisitionKilowattHours(inputs.data)?.mid).toBeCloseTo(4.8, 12);
    expect(labellingOf(inputs).kilowattHours?.mid).toBeCloseTo(15, 12);
    expect(labellingOf(inputs).amount?.mid).toBe(2640);
    expect(labellingOf(read('labelling: { personHours: 3 }'))).toEqual({});
    expect(labellingOf(read('labelling: { amount: 500 }')).amount).toEqual(exactly(500));
  });

  test('says when the system peaked, in any zone that is written with it', () => {
    const { coincidentPeaks } = read(
      'coincidentPeaks: ["2026-07-07T17:50:00Z", "2026-07-08T10:50:00-07:00", 2026-07-08T10:50-07:00]',
    );
    expect(coincidentPeaks).toEqual([
      Date.parse('2026-07-07T17:50:00Z') / 1e3,
      Date.parse('2026-07-08T17:50:00Z') / 1e3,
      Date.parse('2026-07-08T17:50:00Z') / 1e3,
    ]);
  });

  test('says nothing of what is not in it', () => {
    const nothing = read('{}');
    expect(ownedPerGpuHour(nothing)).toBeUndefined();
    expect(keptEnergy(nothing, 10, 1)).toBeUndefined();
    expect(acquisitionKilowattHours(nothing.data)).toBeUndefined();
    expect(labellingOf(nothing)).toEqual({});
  });

  test.each([
    [
      'hardware: { kind: rented, ratePerGpuHour: 2 }',
      'inputs.yml at hardware.kind: only owned hardware is written here; rent is --rent-per-gpu-hour.',
    ],
    ['hardware: { kind: owned, purchasePerGpu: 1 }', 'inputs.yml at hardware.lifeYears:'],
    [
      `hardware: { kind: owned, ${owned.replace('0.5', '0')} }`,
      'inputs.yml at hardware.utilisationRatio: it must be above 0.',
    ],
    [
      `hardware: { kind: owned, ${owned}, residualRatio: 1.2 }`,
      'inputs.yml at hardware.residualRatio: a ratio is at most 1.',
    ],
    [
      'data: { storage: { terabytes: -1, media: ssd } }',
      'inputs.yml at data.storage.terabytes: it is no number ≥ 0 and no range of them.',
    ],
    ['data: { storage: { terabytes: 1, media: tape } }', 'inputs.yml at data.storage.media:'],
    [
      'data: { sizeGigabytes: 5 }',
      'inputs.yml at data: sizeGigabytes and acquisitionKilowattHoursPerGigabyte go together.',
    ],
    [
      'labelling: { payPerHour: 20 }',
      'inputs.yml at labelling: neither personHours nor an amount is given.',
    ],
    [
      'labelling: { amount: 5, personHours: 1, payPerHour: 20 }',
      'inputs.yml at labelling: amount and payPerHour say the same money twice.',
    ],
    ['prices: 3', 'inputs.yml: Unrecognized key: "prices".'],
    ['{', 'inputs.yml: it is no valid JSON or YAML'],
    [
      'coincidentPeaks: ["2026-07-07T17:50"]',
      'inputs.yml at coincidentPeaks.0: it is no time with a zone, such as 2026-07-07T17:50Z.',
    ],
    [
      'regions: { here: { low: 2, mid: 1, high: 3 } }',
      'inputs.yml at regions.here: Invalid input: expected number',
    ],
  ])('is refused in one line that names the place: %s', (text, message) => {
    expect(() => read(text)).toThrow(message);
    expect(() => read(text)).toThrow(/^[^\n]*$/);
  });

  test.each([
    [
      `hardware: { kind: owned, ${owned} }`,
      'inputs.yml: it has money in it and does not say its currency. Write currency: EUR in it, with amounts in EUR; currencies are never converted.',
    ],
    [
      'currency: USD\nlabelling: { amount: 5 }',
      'inputs.yml: its money is in USD, and the electricity is priced in EUR.',
    ],
  ])('is refused where its money is not the report’s', (text, message) => {
    expect(() => checkInputsCurrency(read(text), 'EUR')).toThrow(message);
  });

  test.each([
    'labelling: { personHours: 5, workstationWatts: 100 }',
    'currency: USD\ndata: { storage: { terabytes: 1, media: hdd } }',
    `currency: EUR\nhardware: { kind: owned, ${owned} }`,
  ])('needs no currency where it has no money, and its own is enough: %s', (text) => {
    expect(() => checkInputsCurrency(read(text), 'EUR')).not.toThrow();
  });
});
