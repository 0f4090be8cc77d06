import { Decimal } from 'decimal.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { DeviceBooks } from '../../agent/account.ts';
import { flatTariff } from '../../agent/price/flat.ts';
import { buildReport } from '../../agent/report/build.ts';
import { formatReport } from '../../agent/report/formats.ts';
import type { HardwareFacts } from '../../agent/report/hardware.ts';
import type { ReportInput } from '../../agent/report/input.ts';
import { mergeReports } from '../../agent/report/merge.ts';
import type { Report, ReportCostLine } from '../../agent/report/report.ts';
import { exact } from '../../agent/report/spread.ts';
import { instant } from '../../agent/units.ts';
import { known } from '../known.ts';
import { booksOf, END, idleOf, inputOf, lineOf, START } from './books.ts';

const HOURS = (END - START) / 3600;
const two = booksOf([lineOf(0, 300), lineOf(1, 300)]);
const report = (facts: Partial<ReportInput> = {}): Report => buildReport(inputOf(two, facts));
const rent = (perGpuHour: number): HardwareFacts => ({
  kind: 'rented',
  perGpuHour: exact(perGpuHour),
  source: `${perGpuHour} per GPU-hour`,
});
const owned = (low: number, mid: number, high: number): HardwareFacts => ({
  kind: 'owned',
  perGpuHour: { low, mid, high },
  source: 'inputs.yml',
});
const peak: ReportCostLine = {
  name: 'demand flat 2026-11',
  amountCost: 5,
  provenance: 'derived',
  source: 'tariff.json',
  includesEnergy: false,
};
const energyCost = known(report().cost.energyCost);

describe('hardware', () => {
  test('rent is the cost of the run: its energy is in it, and so are the peaks', () => {
    const { cost } = report({ hardware: rent(2), demand: [peak] });
    const amount = 2 * HOURS * 2;
    expect(cost.otherCosts?.[0]).toMatchObject({
      name: 'rent',
      provenance: 'derived',
      includesEnergy: true,
      perGpuHourCost: 2,
    });
    expect(cost.otherCosts?.[0]?.amountCost).toBeCloseTo(amount, 12);
    expect(cost.otherCosts?.[0]?.energyShareRatio).toBeCloseTo(energyCost / amount, 12);
    expect(cost.runCost).toBeCloseTo(amount, 12);
    expect(cost.runCostParts).toEqual(['rent']);
    expect(cost.energyCost).toBe(energyCost);
  });

  test('owned hardware stands beside its energy, with both ends, and is said to be modelled', () => {
    const { cost } = report({ hardware: owned(1, 1.5, 3), demand: [peak] });
    const hours = 2 * HOURS;
    expect(cost.otherCosts?.[0]).toMatchObject({
      name: 'owned hardware',
      provenance: 'modelled',
      includesEnergy: false,
    });
    expect(cost.otherCosts?.[0]).not.toHaveProperty('energyShareRatio');
    expect(cost.runCost).toBeCloseTo(energyCost + 1.5 * hours + 5, 9);
    expect(cost.lowRunCost).toBeCloseTo(energyCost + hours + 5, 9);
    expect(cost.highRunCost).toBeCloseTo(energyCost + 3 * hours + 5, 9);
    expect(cost.runCostParts).toEqual(['energy', 'owned hardware', 'demand flat 2026-11']);
  });

  test('makes no whole of parts that are not all known', () => {
    expect(report().cost).not.toHaveProperty('runCost');
    expect(report({ demand: [peak] }).cost.runCost).toBeCloseTo(energyCost + 5, 12);
    expect(report({ demand: [peak], isDemandKnown: false }).cost).not.toHaveProperty('runCost');
    const unpriced = booksOf(
      two.devices.map((line) => {
        const { costAmount: _, creditAmount: __, ...totals } = line.totals;
        return { ...line, totals };
      }),
    );
    const { cost } = buildReport(inputOf(unpriced, { hardware: owned(1, 1, 1) }));
    expect(cost).not.toHaveProperty('runCost');
    expect(cost.otherCosts).toHaveLength(1);
    const rented = buildReport(inputOf(unpriced, { hardware: rent(2) })).cost;
    expect(rented.runCost).toBeGreaterThan(0);
    expect(rented.otherCosts?.[0]).not.toHaveProperty('energyShareRatio');
  });

  test('leaves what is due without a run beside it, in no sum', async () => {
    const tariff = {
      ...flatTariff(),
      source: 'tariff.yml',
      fixed: [{ name: 'meter', amount: 12.5, per: 'month' as const }],
    };
    const fixed = report({ tariff, demand: [peak] });
    expect(fixed.cost.fixedCharges).toEqual([{ name: 'meter', amountCost: 12.5, per: 'month' }]);
    expect(fixed.cost.runCost).toBeCloseTo(energyCost + 5, 12);
    const text = (await formatReport(fixed, 'text')).replaceAll(/\s+/g, ' ');
    expect(text).toContain(
      '12.50 USD per month, meter of tariff.yml: due without the run too, in no sum',
    );
    expect(report()).not.toHaveProperty('cost.fixedCharges');
  });

  test('is not paid for where there is no GPU', () => {
    expect(buildReport(inputOf(booksOf([]), { hardware: rent(2) })).cost).not.toHaveProperty(
      'otherCosts',
    );
  });
});

/** A GPU that idled for a time, its utilisation known all along. */
const idling = (index: number, seconds: number): DeviceBooks => {
  const line = lineOf(index, 300);
  return { ...line, idle: idleOf(line, seconds) };
};

describe('the idle share', () => {
  test('is a part of energy, money and hardware, over the GPUs that tell it', () => {
    const { idle, energy } = buildReport(
      inputOf(booksOf([idling(0, 100), idling(1, 50)]), { hardware: rent(3.6) }),
    );
    expect(idle).toMatchObject({
      idleSeconds: 150,
      energyJoules: 62 * 150,
      provenance: 'measured',
    });
    expect(idle?.timeRatio).toBeCloseTo(150 / (2 * 1448.5), 12);
    expect(idle?.energyRatio).toBeCloseTo((62 * 150) / known(energy.gpuJoules), 12);
    expect(idle?.energyCost).toBeCloseTo(((62 * 150) / 3.6e6) * 0.1, 12);
    expect(idle?.hardwareCost).toBeCloseTo(0.15, 12);
  });

  test('says of how much of the time it is known where a GPU does not tell', async () => {
    const half = buildReport(inputOf(booksOf([idling(0, 100), lineOf(1, 300)])));
    expect(half.idle?.knownSeconds).toBe(1448.5);
    expect(half.idle?.timeRatio).toBeCloseTo(100 / 1448.5, 12);
    const text = await formatReport(half, 'text');
    expect(text.replaceAll(/\s+/g, ' ')).toContain(
      '6.9 % of GPU time: utilisation 0 % at two readings in a row; known of 50 % of it',
    );
  });

  test('is absent where nothing tells', () => {
    expect(report()).not.toHaveProperty('idle');
    expect(report().devices[0]).not.toHaveProperty('idle');
  });

  test('of merged nodes is the nodes’ together, each GPU counted once', () => {
    const nodeOf = (host: string, line: DeviceBooks): Report => {
      const books = booksOf([line]);
      return buildReport(inputOf({ ...books, run: { ...books.run, id: host, host } }));
    };
    const facts = { generatedSeconds: instant(END), version: '0' };
    const a = nodeOf('a', idling(0, 100));
    const b = nodeOf('b', lineOf(0, 300));
    const merged = mergeReports([a, a, b], facts);
    expect(merged.idle).toMatchObject({ knownSeconds: 1448.5, idleSeconds: 100 });
    expect(merged.idle?.energyRatio).toBeCloseTo(6200 / (600 * 1448.5), 12);
    expect(mergeReports([b, nodeOf('c', lineOf(0, 300))], facts)).not.toHaveProperty('idle');
  });

  test('of the legs of one GPU is their sum', () => {
    const legOf = (shift: number): Report => {
      const books = booksOf([idling(0, 100)]);
      const run = { ...books.run, id: String(shift), startSeconds: instant(START + shift) };
      return buildReport(inputOf({ ...books, run, endSeconds: instant(END + shift) }));
    };
    const facts = { generatedSeconds: instant(END), version: '0' };
    const merged = mergeReports([legOf(0), legOf(5000)], facts);
    expect(merged.devices[0]?.idle).toMatchObject({ knownSeconds: 2897, idleSeconds: 200 });
    expect(merged.devices[0]?.utilizationRatioMean).toBeCloseTo(0.8, 12);
  });
});

describe('the bill per one', () => {
  test('divides energy, money and grams by GPU-hours, steps and tokens', () => {
    const { per, energy, carbon } = report({
      hardware: owned(2, 2, 2),
      progress: { steps: 100, tokens: 1e6 },
    });
    const facility = known(energy.facilityJoules) / 3.6e6;
    const hours = 2 * HOURS;
    expect(per?.gpuHour?.count).toBeCloseTo(hours, 12);
    expect(per?.gpuHour?.facilityKilowattHours).toBeCloseTo(facility / hours, 12);
    expect(per?.gpuHour?.energyCost).toBeCloseTo(energyCost / hours, 12);
    expect(per?.gpuHour?.hardwareCost).toBe(2);
    expect(per?.step?.gpuJoules).toBeCloseTo(known(energy.gpuJoules) / 100, 9);
    expect(per?.step?.hardwareCost).toBeCloseTo((2 * hours) / 100, 12);
    expect(per?.token?.energyCost).toBeCloseTo(energyCost / 1e6, 18);
    if ('missing' in carbon) throw new Error(carbon.missing);
    expect(per?.step?.locationBasedGrams).toBeCloseTo(carbon.locationBasedGrams / 100, 12);
  });

  test('has the SCI where the making of the hardware is known: (E·I + M) ÷ R', () => {
    const embodied = { embodiedGrams: 1000, provenance: 'derived', source: 'x' } as const;
    const { per, carbon } = report({ embodied, progress: { steps: 10 } });
    if ('missing' in carbon) throw new Error(carbon.missing);
    const sum = carbon.locationBasedGrams + 1000;
    expect(per?.step?.softwareCarbonIntensityGrams).toBeCloseTo(sum / 10, 9);
    expect(per?.gpuHour?.softwareCarbonIntensityGrams).toBeCloseTo(sum / (2 * HOURS), 9);
    expect(report({ progress: { steps: 10 } }).per?.step).not.toHaveProperty(
      'softwareCarbonIntensityGrams',
    );
  });

  test('leaves out what was not counted, and everything where nothing was measured', () => {
    expect(Object.keys(report({ progress: { steps: 0 } }).per ?? {})).toEqual(['gpuHour']);
    expect(buildReport(inputOf(booksOf([]), { progress: { steps: 5 } })).per?.step).toEqual({
      count: 5,
    });
    expect(buildReport(inputOf(booksOf([])))).not.toHaveProperty('per');
  });

  test('of a window has its money, and none where part of it had no price', () => {
    const window = {
      name: 'epoch',
      startSeconds: START,
      endSeconds: END,
      steps: 10,
      tokens: 1000,
    };
    const { totals } = lineOf(0, 300);
    const [priced] = buildReport(
      inputOf(booksOf([lineOf(0, 300)], { windows: [{ window, totals }] })),
    ).windows;
    expect(priced?.costPerStep).toBeCloseTo(known(totals.costAmount) / 10, 12);
    expect(priced?.costPerToken).toBeCloseTo(known(totals.costAmount) / 1000, 12);
    expect(priced?.locationBasedGrams).toBeCloseTo(known(totals.locationBasedGrams), 9);
    const { costAmount: _, creditAmount: __, ...unpriced } = totals;
    const [bare] = buildReport(
      inputOf(booksOf([lineOf(0, 300)], { windows: [{ window, totals: unpriced }] })),
    ).windows;
    expect(bare).not.toHaveProperty('energyCost');
    expect(bare).not.toHaveProperty('costPerStep');
  });
});

const EPA = { perTonne: { low: 120, mid: 190, high: 340 }, currency: 'USD', source: 'US EPA 2023' };

describe('the social cost', () => {
  test('is tonnes × price with both ends, assumed, beside the cost', () => {
    const { social, carbon, cost } = report({ socialPrice: EPA });
    if ('missing' in carbon) throw new Error(carbon.missing);
    const tonnes = carbon.locationBasedGrams / 1e6;
    expect(social).toMatchObject({
      currency: 'USD',
      provenance: 'assumed',
      source: 'US EPA 2023',
      emissionsParts: ['electricity'],
    });
    expect(social?.socialCost).toBeCloseTo(tonnes * 190, 12);
    expect(social?.lowSocialCost).toBeCloseTo(tonnes * 120, 12);
    expect(social?.highSocialCost).toBeCloseTo(tonnes * 340, 12);
    expect(cost).toEqual(report().cost);
  });

  test('counts every emission that the report shows, and names them', () => {
    const { social } = report({
      socialPrice: { ...EPA, perTonne: exact(100) },
      embodied: { embodiedGrams: 1e6, provenance: 'derived', source: 'x' },
      acquisition: { kilowattHours: { low: 10, mid: 20, high: 40 }, source: 'x' },
      labelling: { kilowattHours: exact(5), currency: 'USD', source: 'x' },
    });
    const own = known(lineOf(0, 300).totals.locationBasedGrams) * 2;
    const grams = (kilowattHours: number): number => own + 1e6 + kilowattHours * 44.18;
    expect(social?.emissionsParts).toEqual(['electricity', 'hardware', 'acquisition', 'labelling']);
    expect(social?.emissionsGrams).toBeCloseTo(grams(25), 6);
    expect(social?.lowSocialCost).toBeCloseTo(grams(15) / 1e4, 9);
    expect(social?.highSocialCost).toBeCloseTo(grams(45) / 1e4, 9);
  });

  test('is absent where the carbon is not known', () => {
    expect(report({ socialPrice: EPA, grid: { missing: 'no zone' } })).not.toHaveProperty('social');
  });

  test('of merged reports is that of their electricity, where they agree on the price', () => {
    const nodeOf = (host: string, perTonne: number): Report => {
      const books = booksOf([lineOf(0, 300)]);
      return buildReport(
        inputOf(
          { ...books, run: { ...books.run, id: host, host } },
          {
            socialPrice: { ...EPA, perTonne: exact(perTonne) },
            embodied: { embodiedGrams: 5, provenance: 'derived', source: 'x' },
          },
        ),
      );
    };
    const facts = { generatedSeconds: instant(END), version: '0' };
    const merged = mergeReports([nodeOf('a', 100), nodeOf('b', 100)], facts);
    if ('missing' in merged.carbon) throw new Error(merged.carbon.missing);
    expect(merged.social?.emissionsParts).toEqual(['electricity']);
    expect(merged.social?.socialCost).toBeCloseTo(merged.carbon.locationBasedGrams / 1e4, 12);
    const apart = mergeReports([nodeOf('a', 100), nodeOf('b', 200)], facts);
    expect(apart).not.toHaveProperty('social');
    expect(apart.warnings.at(-1)?.message).toContain('embodied, social');
  });
});

describe('acquisition and labelling', () => {
  test('have energy and grams at the run’s intensity, and are in none of its figures', () => {
    const plain = report();
    const { acquisition, labelling, ...rest } = report({
      acquisition: { kilowattHours: { low: 1, mid: 2, high: 3 }, source: '20 GB × 0.1 kWh/GB' },
      labelling: {
        kilowattHours: exact(4),
        amount: exact(100),
        currency: 'USD',
        source: '40 person-hours × 100 W',
      },
    });
    expect(acquisition).toMatchObject({
      energyKilowattHours: 2,
      lowKilowattHours: 1,
      provenance: 'assumed',
    });
    expect(acquisition?.locationBasedGrams).toBeCloseTo(2 * 44.18, 9);
    expect(acquisition?.highGrams).toBeCloseTo(3 * 44.18, 9);
    expect(labelling).toMatchObject({ labellingCost: 100, currency: 'USD', provenance: 'assumed' });
    expect(labelling?.locationBasedGrams).toBeCloseTo(4 * 44.18, 9);
    expect(rest).toEqual(plain);
  });

  test('have no grams where the carbon is not known, and are absent where not given', () => {
    const { acquisition } = report({
      grid: { missing: 'no zone' },
      acquisition: { kilowattHours: exact(2), source: 'x' },
    });
    expect(acquisition).toMatchObject({ energyKilowattHours: 2 });
    expect(acquisition).not.toHaveProperty('locationBasedGrams');
    for (const key of ['acquisition', 'labelling', 'data', 'social', 'levers'])
      expect(report()).not.toHaveProperty(key);
  });
});

test('what stands beside never changes what was measured, whatever is given', () => {
  const amount = fc.double({ min: 0, max: 1e6, noNaN: true });
  const spread = fc
    .tuple(amount, amount, amount)
    .map((values) => values.toSorted((a, b) => a - b))
    .map(([low = 0, mid = 0, high = 0]) => ({ low, mid, high }));
  const plain = report();
  fc.assert(
    fc.property(spread, spread, amount, fc.boolean(), (price, energy, rate, isRented) => {
      const full = report({
        hardware: isRented ? rent(rate) : owned(rate, rate, rate),
        socialPrice: { ...EPA, perTonne: price },
        acquisition: { kilowattHours: energy, source: 'x' },
        labelling: { kilowattHours: energy, amount: price, currency: 'USD', source: 'x' },
        tariff: flatTariff(),
      });
      for (const key of ['energy', 'compute', 'devices', 'carbon', 'windows'] as const)
        expect(full[key]).toEqual(plain[key]);
      const { otherCosts, runCost } = full.cost;
      expect(full.cost).toMatchObject(plain.cost);
      const parts = [
        ...(isRented ? [] : [known(full.cost.energyCost)]),
        ...(otherCosts ?? []).map((line) => line.amountCost),
      ];
      const whole = parts.reduce((sum, part) => sum.plus(part), new Decimal(0)).toNumber();
      expect(known(runCost)).toBeCloseTo(whole, 6);
    }),
    { seed: 20261123, numRuns: 60 },
  );
});
