// What a new tariff, grid or PUE changed in a stored run, in words: before and after, only what differs.

import { clip, plain } from '../display/line.ts';
import {
  formatEnergy,
  formatMass,
  formatMoney,
  formatRatio,
  formatValue,
} from '../display/quantity.ts';
import { billOf } from './bill.ts';
import type { Report, ReportBill } from './report.ts';
import { labelled, priceInWords } from './words.ts';

const LABEL_WIDTH = 16;

/** One thing that is not what it was. */
export interface Change {
  readonly label: string;
  readonly before: string;
  readonly after: string;
}

/** What changed, in the order of the report; empty for a report that is as measured, or whose new prices are the old. */
export function changesOf(report: Report): readonly Change[] {
  const { repriced } = report;
  if (repriced === undefined) return [];
  const options = repriced.options.map(({ option, before = 'not given', after = 'not given' }) => ({
    label: option.replace(/^--/, ''),
    before: plain(String(before)),
    after: plain(String(after)),
  }));
  const figures =
    repriced.before === undefined ? [] : figureChanges(repriced.before, billOf(report));
  // Prices, grid and PUE are among the figures already, where those are known.
  const beside = figures.length === 0 ? options : options.filter(({ label }) => !SHOWN.has(label));
  return [...figures, ...beside].filter(({ before, after }) => before !== after);
}

const SHOWN: ReadonlySet<string> = new Set(['price', 'currency', 'tariff', 'zone', 'grid', 'pue']);

function figureChanges(before: ReportBill, after: ReportBill): Change[] {
  const change = (label: string, words: (bill: ReportBill) => string): Change => ({
    label,
    before: words(before),
    after: words(after),
  });
  return [
    change('PUE', ({ energy }) =>
      labelled(
        formatRatio(energy.powerUsageEffectiveness),
        energy.powerUsageEffectivenessProvenance,
      ),
    ),
    change('E_compute', ({ energy }) => known(energy.facilityJoules, formatEnergy)),
    change('Price', ({ cost }) => plain(priceInWords({ cost }))),
    change('Energy cost', ({ cost }) =>
      known(cost.energyCost, (amount) => formatMoney(amount, cost.currency)),
    ),
    ...[...new Set([before, after].flatMap(otherCostNames))].map((name) =>
      change(clip(plain(name), LABEL_WIDTH), (bill) => otherCostInWords(bill, name)),
    ),
    change('Cost of the run', ({ cost }) =>
      known(cost.runCost, (amount) => formatMoney(amount, cost.currency)),
    ),
    change('Grid', gridInWords),
    change('Carbon (CO2e)', ({ carbon }) =>
      known('missing' in carbon ? undefined : carbon.locationBasedGrams, formatMass),
    ),
    change('  by contract', ({ carbon }) =>
      known('missing' in carbon ? undefined : carbon.marketBasedGrams, formatMass),
    ),
    change('Water', ({ waterLitres }) =>
      known(waterLitres, (litres) => `${formatValue(litres)} L`),
    ),
  ];
}

const otherCostNames = ({ cost }: ReportBill): string[] =>
  (cost.otherCosts ?? []).map(({ name }) => name);

function otherCostInWords({ cost }: ReportBill, wanted: string): string {
  const line = cost.otherCosts?.find(({ name }) => name === wanted);
  return line === undefined ? 'none' : formatMoney(line.amountCost, cost.currency);
}

const known = (value: number | undefined, words: (value: number) => string): string =>
  value === undefined ? 'not known' : words(value);

function gridInWords({ carbon }: ReportBill): string {
  if ('missing' in carbon) return 'none';
  const { intensityGramsPerKilowattHourMean: intensity, zone, dataset, vintage } = carbon;
  const mean = intensity === undefined ? '' : ` ${formatValue(intensity)} g/kWh`;
  return plain(`${zone}${mean}, ${dataset}: ${vintage}`);
}
