import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { basisOf } from '../../agent/estimate/basis.ts';
import { CASE_NAMES, CASES } from '../../agent/estimate/cases.ts';
import { energyOf, transferKilowattHoursPerGigabyte } from '../../agent/estimate/energy.ts';
import { planOf, runEstimate, type EstimateRequest } from '../../agent/estimate/estimate.ts';
import type { Estimate, Figure } from '../../agent/estimate/figures.ts';
import { estimateJson } from '../../agent/estimate/json.ts';
import { readPlan, type Plan } from '../../agent/estimate/plan.ts';
import { exactly } from '../../agent/estimate/range.ts';
import { formatCases, formatEstimate } from '../../agent/estimate/text.ts';

function estimate(request: EstimateRequest): Estimate {
  const result = runEstimate(request);
  if (result.kind !== 'estimate') throw new Error('This should be an estimate.');
  return result.estimate;
}

const estimateCase = (name: string): Estimate => estimate({ kind: 'case', name });
const estimatePlan = (plan: Plan): Estimate => estimate({ kind: 'plan', plan });

function figure(of: Estimate, section: string, key: string): Figure | undefined {
  return of.sections.find((each) => each.key === section)?.figures.find((each) => each.key === key);
}
const mid = (of: Estimate, section: string, key: string): number | undefined =>
  figure(of, section, key)?.value.mid;

/** One EUR an hour, whether the GPU works or not. */
const ownedGpus = {
  kind: 'owned',
  purchasePerGpu: exactly(8760),
  lifeYears: exactly(1),
  residualRatio: exactly(0),
  utilisationRatio: exactly(1),
  operationPerGpuHour: exactly(0),
} as const;
const gpuPlan: Plan = {
  name: 'test',
  currency: 'EUR',
  pricePerKilowattHour: exactly(0.2),
  powerUsageEffectiveness: exactly(1.5),
  gramsPerKilowattHour: exactly(400),
  training: [
    {
      kind: 'gpu-hours',
      name: 'training',
      gpuHours: exactly(1000),
      wattsPerGpu: exactly(300),
      hostWattsPerGpu: exactly(100),
      ratedWatts: 400,
    },
  ],
};

describe("the article's cases", () => {
  test('the worked example comes to 5000 and 100 kWh', () => {
    const worked = estimateCase('worked-example');
    expect(mid(worked, 'energy', 'computeKilowattHours')).toBe(5000);
    expect(mid(worked, 'energy', 'dataKilowattHours')).toBe(100);
    expect(mid(worked, 'cost', 'electricityCost')).toBeCloseTo(510, 9);
    expect(worked.checks).toEqual([]);
  });

  test('BERT comes to 5 + 20 + 20 = 45 M$, 5 M$ of electricity apart, 16 GB and 20 M$ of labels', () => {
    const bert = estimateCase('bert');
    expect(mid(bert, 'cost', 'peopleCost')).toBe(5_000_000);
    expect(mid(bert, 'cost', 'hardwareCost')).toBe(20_000_000);
    expect(mid(bert, 'cost', 'totalCost')).toBe(45_000_000);
    expect(mid(bert, 'cost', 'electricityCost')).toBe(5_000_000);
    expect(mid(bert, 'energy', 'computeKilowattHours')).toBe(50_000_000);
    expect(mid(bert, 'dataNeed', 'sizeGigabytes')).toBe(16);
    expect(mid(bert, 'dataNeed', 'labellingCost')).toBe(20_000_000);
  });

  test('BERT is flagged: 33,000 times the published energy', () => {
    expect(estimateCase('bert').checks).toEqual([
      {
        code: 'published-energy',
        message:
          '50,000,000 kWh is 33,000 times the 1,507 kWh published for BERT base (Strubell et al. 2019, Table 3 (arXiv:1906.02243)), 39 times GPT-3 175B and 2.3 times Llama 3.1 405B.',
      },
    ]);
  });

  test('the text of BERT is this', () => {
    const text = formatEstimate(runEstimate({ kind: 'case', name: 'bert' }));
    expect(text.split('\n').slice(0, 30).join('\n')).toMatchSnapshot();
  });
});

describe('every case', () => {
  test.each(CASE_NAMES)('%s fits 80 columns, in figures that are numbers', (name) => {
    const result = runEstimate({ kind: 'case', name });
    for (const line of formatEstimate(result).split('\n')) {
      expect(line.length, line).toBeLessThanOrEqual(80);
      expect(line).not.toMatch(/NaN|Infinity|undefined/);
    }
    expect(JSON.stringify(estimateJson(result))).not.toMatch(/null/);
  });

  test.each(['finance', 'medicine', 'environment', 'energy', 'technology'])(
    'the example of %s says that it is illustrative and is not implausible',
    (name) => {
      const example = estimateCase(name);
      expect(example.description).toContain('illustrative');
      expect(example.checks).toEqual([]);
      for (const section of example.sections) {
        for (const { value, key } of section.figures) {
          expect(value.low, key).toBeLessThanOrEqual(value.mid);
          expect(value.mid, key).toBeLessThanOrEqual(value.high);
        }
      }
      for (const lever of example.levers) {
        for (const saving of [lever.savedKilowattHours, lever.savedCost, lever.savedKilograms]) {
          if (saving === undefined) continue;
          expect(saving.low, lever.id).toBeLessThanOrEqual(saving.mid);
          expect(saving.mid, lever.id).toBeLessThanOrEqual(saving.high);
        }
      }
    },
  );

  test('an unknown one is refused with the names that exist', () => {
    expect(() => runEstimate({ kind: 'case', name: 'gpt-9' })).toThrow(
      '--case gpt-9: there is no such case. wattmeter estimate --cases lists them.',
    );
  });

  test.each([
    ['gpt3', 'pat-gpt3'],
    ['BERT', 'bert'],
    ['medecine', 'medicine'],
    ['llama33', 'llama33-70b'],
    ['worked', 'worked-example'],
  ])('of %s it is said that perhaps %s is meant', (name, meant) => {
    if (CASE_NAMES.includes(name)) throw new Error('This should be no case.');
    expect(() => runEstimate({ kind: 'case', name })).toThrow(`Perhaps ${meant} is meant`);
  });

  test('a published one says what was published beside its recomputation', () => {
    expect(estimateCase('pat-gpt3').published).toMatchObject([
      { unit: 'kWh', published: 1_287_000 },
      { unit: 't CO2e', published: 552.1 },
    ]);
    const text = formatEstimate(runEstimate({ kind: 'case', name: 'pat-gpt3' }));
    expect(text).toContain('1,287,000 kWh; recomputed 1,289,376, 0.18 %');
    expect(estimateCase('bert').published).toBeUndefined();
  });

  test('has a line in the list of cases', () => {
    const list = formatCases(CASES);
    for (const name of CASE_NAMES) expect(list).toMatch(new RegExp(`^${name} +\\S`, 'm'));
    for (const line of list.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });
});

describe('energy', () => {
  test('GPU-hours × (GPU + host) × PUE', () => {
    const plan = estimatePlan(gpuPlan);
    expect(mid(plan, 'energy', 'computeKilowattHours')).toBeCloseTo(600, 9);
    expect(mid(plan, 'cost', 'electricityCost')).toBeCloseTo(120, 9);
    expect(mid(plan, 'carbon', 'trainingLocationBasedKilograms')).toBeCloseTo(240, 9);
  });

  test('a network allocation halves every two years', () => {
    expect(transferKilowattHoursPerGigabyte('wan', 2015)).toBe(0.06);
    expect(transferKilowattHoursPerGigabyte('wan', 2019)).toBeCloseTo(0.015, 12);
    expect(transferKilowattHoursPerGigabyte('cloud', 2026)).toBe(0.001);
    expect(transferKilowattHoursPerGigabyte('lan', 2026)).toBe(0);
  });

  test('storage is TB·h × watts × copies × PUE', () => {
    const energy = energyOf(
      basisOf(
        {
          ...gpuPlan,
          data: {
            storage: {
              terabytes: exactly(10),
              hours: exactly(1000),
              media: 'hdd',
              replication: exactly(2),
            },
          },
        },
        {},
      ),
    );
    // 10 TB · 1000 h · 0.65 W/TB · 2 copies · PUE 1.5 = 19.5 kWh.
    expect(energy.dataTotal.mid).toBeCloseTo(19.5, 9);
  });

  test('low, mid and high never cross, whatever the plan', () => {
    const spread = fc
      .tuple(
        fc.double({ min: 0.1, max: 1e5, noNaN: true }),
        fc.double({ min: 1, max: 3, noNaN: true }),
        fc.double({ min: 1, max: 3, noNaN: true }),
      )
      .map(([low, a, b]) => ({ low, mid: low * a, high: low * a * b }));
    fc.assert(
      fc.property(spread, spread, spread, (gpuHours, wattsPerGpu, pricePerKilowattHour) => {
        const plan = estimatePlan({
          ...gpuPlan,
          pricePerKilowattHour,
          hardware: { kind: 'rented', ratePerGpuHour: pricePerKilowattHour },
          training: [{ kind: 'gpu-hours', name: 'x', gpuHours, wattsPerGpu }],
        });
        for (const { value } of plan.sections.flatMap((section) => section.figures)) {
          expect(value.low).toBeLessThanOrEqual(value.mid);
          expect(value.mid).toBeLessThanOrEqual(value.high);
        }
      }),
      { seed: 6, numRuns: 50 },
    );
  });
});

describe('cost', () => {
  test('rent includes energy: electricity is a share of it, never added', () => {
    const plan = estimatePlan({
      ...gpuPlan,
      hardware: { kind: 'rented', ratePerGpuHour: exactly(2) },
    });
    expect(mid(plan, 'cost', 'hardwareCost')).toBe(2000);
    expect(mid(plan, 'cost', 'totalCost')).toBe(2000);
    expect(mid(plan, 'cost', 'electricityInsideRentCost')).toBeCloseTo(120, 9);
    expect(mid(plan, 'cost', 'electricityShareOfRentPercent')).toBeCloseTo(6, 9);
    expect(figure(plan, 'cost', 'electricityCost')).toBeUndefined();
  });

  test('no rent of GPUs includes the electricity of data kept elsewhere', () => {
    const plan = estimatePlan({
      ...gpuPlan,
      hardware: { kind: 'rented', ratePerGpuHour: exactly(2) },
      data: { formula: { k: exactly(0.2), hours: exactly(500), kilowatts: exactly(1) } },
    });
    expect(mid(plan, 'cost', 'electricityInsideRentCost')).toBeCloseTo(120, 9);
    expect(mid(plan, 'cost', 'electricityCost')).toBeCloseTo(20, 9);
  });

  test('owned hardware costs capex (1 − residual) ÷ (life · 8760 · use) + operation per GPU-hour', () => {
    const plan = estimatePlan({
      ...gpuPlan,
      hardware: {
        kind: 'owned',
        purchasePerGpu: exactly(26_280),
        lifeYears: exactly(3),
        residualRatio: exactly(0.1),
        utilisationRatio: exactly(0.5),
        operationPerGpuHour: exactly(0.2),
      },
    });
    // 26 280 · 0.9 ÷ (3 · 8760 · 0.5) = 1.8 per GPU-hour.
    expect(mid(plan, 'cost', 'hardwareCost')).toBeCloseTo(2000, 9);
  });

  test('salaries are head count × months × a year ÷ 12', () => {
    const plan = estimatePlan({
      ...gpuPlan,
      people: [
        { role: 'a', count: exactly(2), months: exactly(6), salaryPerYear: exactly(60_000) },
        { role: 'b', amount: exactly(5000) },
      ],
    });
    expect(mid(plan, 'cost', 'peopleCost')).toBe(65_000);
  });

  test('what is not given is left out and named, not 0', () => {
    const section = estimatePlan(gpuPlan).sections[0];
    expect(section?.figures.map((each) => each.key)).not.toContain('totalCost');
    expect(section?.missing).toContain('people, hardware, labelling');
  });

  test('assumptions are labelled', () => {
    const assumed = estimatePlan({ name: 'bare', training: gpuPlan.training });
    expect(figure(assumed, 'cost', 'pricePerKilowattHour')?.provenance).toBe('assumed');
    expect(figure(assumed, 'energy', 'powerUsageEffectiveness')?.provenance).toBe('assumed');
    const text = formatEstimate({ kind: 'estimate', estimate: assumed });
    expect(text).toMatch(/at a price of +0\.1 USD\/kWh assumed/);
    expect(text).toMatch(/at a PUE of +1 assumed/);
  });
});

describe('impact', () => {
  test('no zone and no intensity: no figure, and why', () => {
    const { gramsPerKilowattHour: _, ...plan } = gpuPlan;
    const carbon = estimatePlan(plan).sections.find((section) => section.key === 'carbon');
    expect(carbon?.figures).toEqual([]);
    expect(carbon?.missing).toContain('give --zone DEU, say, --grid FILE');
  });

  test("the zone's intensity comes with its source", () => {
    const { gramsPerKilowattHour: _, ...plan } = gpuPlan;
    const zone = { zone: 'NOR', gramsPerKilowattHour: 30, source: 'a data set' };
    const result = estimate({ kind: 'plan', plan, surroundings: { zone } });
    expect(mid(result, 'carbon', 'trainingLocationBasedKilograms')).toBeCloseTo(18, 9);
    expect(figure(result, 'carbon', 'intensityGramsPerKilowattHour')).toMatchObject({
      note: 'a data set',
      label: 'at an intensity of NOR of',
    });
  });

  test('water is E_IT · (WUE + PUE · EWIF)', () => {
    const plan = estimatePlan({
      ...gpuPlan,
      water: { wueLitresPerKilowattHour: exactly(1), ewifLitresPerKilowattHour: exactly(2) },
    });
    expect(mid(plan, 'water', 'waterLitres')).toBeCloseTo(400 * (1 + 1.5 * 2), 9);
  });

  test('1000 kg over 4 years of full use are 28.54 g per hour', () => {
    const plan = estimatePlan({
      ...gpuPlan,
      training: [
        { kind: 'energy', name: 'x', energyKilowattHours: exactly(1), gpuHours: exactly(1) },
      ],
      embodied: {
        kilogramsPerGpu: exactly(1000),
        lifeYears: exactly(4),
        utilisationRatio: exactly(1),
      },
    });
    expect(mid(plan, 'carbon', 'embodiedKilograms')).toBeCloseTo(0.028_54, 5);
  });

  test('renewable contracts change the market-based figure only', () => {
    const plan = estimatePlan({
      ...gpuPlan,
      renewables: { shareRatio: exactly(0.75), gramsPerKilowattHour: exactly(20) },
    });
    expect(mid(plan, 'carbon', 'trainingLocationBasedKilograms')).toBeCloseTo(240, 9);
    expect(mid(plan, 'carbon', 'trainingMarketBasedKilograms')).toBeCloseTo(69, 9);
    const lever = plan.levers.find((each) => each.id === 'renewables');
    expect(lever?.savedKilograms?.mid).toBeCloseTo(171, 9);
    expect(lever?.savedKilowattHours).toBeUndefined();
    // 171 kg of 600 kWh at 190 USD per tonne.
    expect(lever?.breakEven).toBe('worth a premium up to 0.05415 USD/kWh at 190 USD/t');
  });

  test('acquisition and labelling are counted and labelled assumed', () => {
    const plan = estimatePlan({
      ...gpuPlan,
      data: {
        sizeGigabytes: exactly(100),
        acquisitionKilowattHoursPerGigabyte: exactly(0.5),
      },
      labelling: {
        personHours: exactly(1000),
        payPerHour: exactly(20),
        workstationWatts: exactly(100),
      },
    });
    expect(figure(plan, 'carbon', 'acquisitionKilograms')).toMatchObject({
      provenance: 'assumed',
      value: { mid: 20 },
    });
    expect(mid(plan, 'carbon', 'labellingKilograms')).toBeCloseTo(40, 9);
    expect(mid(plan, 'carbon', 'totalKilograms')).toBeCloseTo(300, 9);
    expect(figure(plan, 'carbon', 'socialCost')).toMatchObject({ unit: 'USD' });
    expect(mid(plan, 'carbon', 'socialCost')).toBeCloseTo(0.3 * 190, 9);
  });
});

describe('plausibility', () => {
  const codes = (of: Estimate): string[] => of.checks.map((check) => check.code);

  test('more power than the board can draw is flagged', () => {
    const [phase] = gpuPlan.training;
    if (phase?.kind !== 'gpu-hours') throw new Error('unexpected plan');
    const tooMuch = { ...phase, wattsPerGpu: exactly(700) };
    expect(codes(estimatePlan({ ...gpuPlan, training: [tooMuch] }))).toEqual([
      'energy-per-gpu-hour',
    ]);
    expect(codes(estimatePlan(gpuPlan))).toEqual([]);
  });

  test("Llama 3.3's row is flagged: 2.6 g/kWh", () => {
    expect(estimateCase('llama33-70b').checks).toEqual([
      {
        code: 'carbon-intensity',
        message:
          '12.9 t of 4,900,000 kWh are 2.633 g/kWh, which is outside what is plausible for any grid (10 to 1,400).',
      },
    ]);
  });

  test.each([
    [9, undefined, 1],
    [1401, undefined, 1],
    [1400, undefined, 0],
    [99, 300, 1],
    [100, 300, 0],
    [901, 300, 1],
  ])('%d g/kWh in a zone of %s gives %d flags', (grams, zoneGrams, count) => {
    const zone =
      zoneGrams === undefined
        ? {}
        : { zone: { zone: 'DEU', gramsPerKilowattHour: zoneGrams, source: 'x' } };
    const plan = { ...gpuPlan, gramsPerKilowattHour: exactly(grams) };
    expect(codes(estimate({ kind: 'plan', plan, surroundings: zone }))).toHaveLength(count);
  });
});

describe('levers', () => {
  const lever = (of: Estimate, id: string) => of.levers.find((each) => each.id === id);

  test('a power cap on rented GPUs saves carbon, not money', () => {
    const cap = lever(
      estimatePlan({ ...gpuPlan, hardware: { kind: 'rented', ratePerGpuHour: exactly(2) } }),
      'power-cap',
    );
    // Node: 300 W · 0.897 + 100 W · 1.037 = 372.8 W against 400 W, × PUE 1.5.
    expect(cap?.savedKilowattHours?.mid).toBeCloseTo(27.2 * 1.5, 6);
    expect(cap?.savedCost?.mid).toBeCloseTo(-2 * 37, 6);
    expect(cap?.breakEven).toContain('saves carbon, not money: 74 EUR more rent');
  });

  test('a power cap on GPUs of one’s own pays above a price', () => {
    const cap = lever(
      estimatePlan({
        ...gpuPlan,
        hardware: ownedGpus,
      }),
      'power-cap',
    );
    // 37 more GPU-hours at 1 EUR against 40.8 kWh.
    expect(cap?.breakEven).toBe('pays above 0.9069 EUR/kWh');
  });

  test('money is unknown, not 0, where rent holds the electricity and a phase names no GPU-hours', () => {
    const search = 'kind: formula, name: search, k: 0.8, hours: 40, kilowatts: 5.6';
    const plan = readPlan(
      `name: rented\nhardware: { kind: rented, ratePerGpuHour: 2 }\ntraining: [{ ${search} }]\n`,
      'plan.yml',
    );
    const { levers } = estimatePlan(plan);
    const cheaper = levers.filter(({ id }) => /transfer|data|stopping/.test(id));
    expect(cheaper.map(({ id }) => id)).toEqual([
      'transfer-learning',
      'data-efficient',
      'early-stopping',
    ]);
    for (const { savedCost, breakEven } of cheaper) {
      expect(savedCost).toBeUndefined();
      expect(breakEven).toMatch(/^unknown: it saves rent/);
    }
  });

  test('a region whose grid is dirtier never pays', () => {
    const regions = {
      SWE: { gramsPerKilowattHour: exactly(36) },
      POL: { gramsPerKilowattHour: exactly(662) },
    };
    const plan = estimatePlan({ ...gpuPlan, gramsPerKilowattHour: exactly(344), regions });
    expect(lever(plan, 'region-SWE')?.breakEven).toMatch(/^pays while/);
    expect(lever(plan, 'region-POL')?.savedKilograms?.mid).toBeLessThan(0);
    expect(lever(plan, 'region-POL')?.breakEven).toBe('never: the grid there is no cleaner');
  });

  test.each([
    ['architecture search', 600 * (1 - 4 / 27)],
    ['hyper-parameter trials', 600 * (1 - 4 / 27)],
    ['fine-tuning', undefined],
    ['training', undefined],
  ])('early stopping concerns searches only: %s', (name, saved) => {
    const training = gpuPlan.training.map((phase) => ({ ...phase, name }));
    const found = lever(estimatePlan({ ...gpuPlan, training }), 'early-stopping');
    if (saved === undefined) expect(found).toBeUndefined();
    else expect(found?.savedKilowattHours?.mid).toBeCloseTo(saved, 9);
  });

  test('early stopping saves the rent of the search, by its hours and not by its share of energy', () => {
    const hours = { kind: 'gpu-hours', wattsPerGpu: exactly(400) } as const;
    const training = [
      { ...hours, name: 'search', gpuHours: exactly(900), wattsPerGpu: exactly(200) },
      { ...hours, name: 'training', gpuHours: exactly(100) },
    ];
    const rented = { kind: 'rented', ratePerGpuHour: exactly(2) } as const;
    const found = lever(estimatePlan({ ...gpuPlan, training, hardware: rented }), 'early-stopping');
    expect(found?.savedCost?.mid).toBeCloseTo(1800 * (1 - 4 / 27), 9);
    const own = { ...gpuPlan, training, hardware: ownedGpus, pricePerKilowattHour: exactly(0.5) };
    // 900 GPU-hours at 1 EUR and 900 h × 0.2 kW × PUE 1.5 at 0.50 EUR.
    expect(lever(estimatePlan(own), 'early-stopping')?.savedCost?.mid).toBeCloseTo(
      (900 + 135) * (1 - 4 / 27),
      9,
    );
  });

  test('a cap makes only those phases longer whose power it lowers', () => {
    const [capped] = gpuPlan.training;
    if (capped === undefined) throw new Error('unexpected plan');
    const other = { kind: 'energy', name: 'elsewhere', energyKilowattHours: exactly(500) } as const;
    const training = [capped, { ...other, gpuHours: exactly(9000) }];
    const rented = { kind: 'rented', ratePerGpuHour: exactly(2) } as const;
    const cap = lever(estimatePlan({ ...gpuPlan, training, hardware: rented }), 'power-cap');
    expect(cap?.savedCost?.mid).toBeCloseTo(-2 * 37, 6);
  });

  test('distillation pays back after E ÷ (e_big − e_small) requests', () => {
    const plan = estimatePlan({
      ...gpuPlan,
      powerUsageEffectiveness: exactly(1),
      deployment: {
        days: exactly(10),
        requestsPerDay: exactly(1000),
        wattHoursPerRequest: exactly(3),
      },
      distillation: { trainingKilowattHours: exactly(8), wattHoursPerRequest: exactly(1) },
    });
    expect(lever(plan, 'distillation')?.breakEven).toBe('pays back after 4,000 requests');
    expect(lever(plan, 'distillation')?.savedKilowattHours?.mid).toBeCloseTo(12, 9);
    expect(mid(plan, 'deployment', 'requestsToEqualTraining')).toBeCloseTo(400 / 0.003, 3);
  });
});

const report = {
  run: { id: 'r1', name: 'fine-tune', durationSeconds: 7200 },
  energy: {
    gpuJoules: 3.6e6,
    gpuUncertaintyJoules: 0.036e6,
    facilityJoules: 7.2e6,
    powerUsageEffectiveness: 1.2,
  },
  devices: [{ method: 'counter' }, { method: 'integral' }, { method: 'modelled' }],
  cost: { currency: 'INR', pricePerKilowattHourMean: 7.5 },
  carbon: { missing: 'no zone' },
};
const fromRun = (value: unknown, scale: number): EstimateRequest => ({
  kind: 'from-run',
  report: value,
  reportName: 'r1.json',
  scale,
});

describe('a plan from a measured run', () => {
  test('scales energy, hours and money, with the uncertainty of the measurement', () => {
    const plan = estimate(fromRun(report, 10));
    const compute = figure(plan, 'energy', 'computeKilowattHours')?.value;
    expect(compute?.mid).toBeCloseTo(20, 9);
    expect(compute?.high).toBeCloseTo(20.2, 9);
    expect(mid(plan, 'energy', 'gpuHours')).toBe(40);
    expect(mid(plan, 'cost', 'electricityCost')).toBeCloseTo(150, 9);
    expect(plan.currency).toBe('INR');
  });

  test('adds what the gaps probably held', () => {
    const energy = { ...report.energy, gapEstimateJoules: 1.8e6 };
    const plan = estimate(fromRun({ ...report, energy }, 1));
    expect(mid(plan, 'energy', 'computeKilowattHours')).toBeCloseTo(3, 9);
  });

  test('keeps the region of a cloud, whose grid need not be its country’s average', () => {
    const region = { provider: 'gcp', name: 'europe-north2' };
    const zoneOf = (carbon: object) => planOf(fromRun({ ...report, carbon }, 1))?.zone;
    expect(zoneOf({ zone: 'SWE', region })).toBe('gcp:europe-north2');
    expect(zoneOf({ zone: 'SWE' })).toBe('SWE');
  });

  test('refuses what is no report, and no scale', () => {
    expect(() => estimate(fromRun({}, 1))).toThrow('r1.json at run');
    expect(() => estimate(fromRun(report, 0))).toThrow('--scale 0: it is no number above 0.');
  });
});

describe('readPlan()', () => {
  test('reads YAML with plain numbers and ranges', () => {
    const plan = readPlan(
      'name: mine\ncurrency: EUR\npricePerKilowattHour: {low: 0.1, mid: 0.2, high: 0.3}\n' +
        'training:\n  - {kind: gpu-hours, gpuHours: 10, wattsPerGpu: 400}\n' +
        'people:\n  - {role: me, count: 1, months: 2, salaryPerYear: 60000}\n',
      'PLAN.yml',
    );
    const result = estimatePlan(plan);
    expect(figure(result, 'cost', 'electricityCost')?.value).toEqual({
      low: 0.4,
      mid: 0.8,
      high: 4 * 0.3,
    });
    expect(mid(result, 'cost', 'peopleCost')).toBe(10_000);
  });

  test.each([
    ['name: x\ntraining: []', 'PLAN.yml at training'],
    ['name: x', 'PLAN.yml at training'],
    [
      'name: x\ntraining: [{kind: gpu-hours, gpuHours: -1, wattsPerGpu: 1}]',
      'PLAN.yml at training.0.gpuHours',
    ],
    [
      'name: x\npowerUsageEffectiveness: 0.9\ntraining: [{kind: energy, energyKilowattHours: 1}]',
      'PLAN.yml at powerUsageEffectiveness: PUE is at least 1',
    ],
    [
      'name: x\ncurrency: EURO\ntraining: [{kind: energy, energyKilowattHours: 1}]',
      'PLAN.yml at currency: "EURO" is no ISO 4217 code',
    ],
    [
      'name: x\npricePerKilowattHour: {low: 2, mid: 1, high: 3}\ntraining: [{kind: energy, energyKilowattHours: 1}]',
      'low, mid and high must ascend',
    ],
    ['name: x\nspeed: 1\ntraining: [{kind: energy, energyKilowattHours: 1}]', 'PLAN.yml'],
    ['name: [', 'PLAN.yml: it is no valid JSON or YAML'],
  ])('refuses %j in one line', (text, message) => {
    expect(() => readPlan(text, 'PLAN.yml')).toThrow(message);
    expect(() => readPlan(text, 'PLAN.yml')).toThrow(/^[^\n]+$/);
  });
});
