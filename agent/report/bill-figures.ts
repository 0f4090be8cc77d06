// The rows of the bill: energy at its price, what stands beside it, the idle part, and what one of each thing took.

import { clip, plain, widthOf } from '../display/line.ts';
import {
  formatEnergy,
  formatMass,
  formatMoney,
  formatNumber,
  formatPercent,
  formatValue,
} from '../display/quantity.ts';
import { fromKilowattHours } from '../units.ts';
import { rangeInWords, type Figure } from './figure-row.ts';
import type { Report, ReportCost, ReportCostLine, ReportPerOne } from './report.ts';
import { labelled, onEnergy, priceInWords } from './words.ts';

const LABEL_WIDTH = 16;
const WELL_KNOWN = 0.95;

/** Energy's cost, hardware and demand beside it, and all together. */
export function moneyRows(report: Report): Figure[] {
  const { cost } = report;
  const { currency, energyCost, creditCost } = cost;
  if (energyCost === undefined) {
    const why = `not known: ${cost.missing ?? 'no price'}`;
    return [{ label: 'Energy cost', value: why }, ...otherCostRows(report)];
  }
  const rows: Figure[] = [
    {
      label: 'Energy cost',
      value: formatMoney(energyCost, currency, cost.uncertaintyCost),
      note: onEnergy(priceInWords(report), report),
    },
  ];
  if (creditCost !== undefined) {
    const value = formatMoney(creditCost, currency);
    rows.push({ label: '  credits', value, note: 'at negative prices, already taken off' });
  }
  return [...rows, ...otherCostRows(report)];
}

function otherCostRows({ cost }: Report): Figure[] {
  const { currency, otherCosts = [], runCost, runCostParts = [] } = cost;
  const rows = otherCosts.map((line) => ({
    label: clip(capitalised(plain(line.name)), LABEL_WIDTH),
    value: formatMoney(line.amountCost, currency),
    note: labelled(
      `${isClipped(line.name) ? `${line.name}; ` : ''}${line.source}${rangeInWords(line.lowAmountCost, line.highAmountCost, currency)}${withinRent(line)}`,
      line.provenance,
    ),
  }));
  if (runCost === undefined) return [...rows, ...fixedRows(cost)];
  const range = rangeInWords(cost.lowRunCost, cost.highRunCost, currency);
  const note = `${runCostParts.join(' + ')}${range}`;
  const whole = { label: 'Cost of the run', value: formatMoney(runCost, currency), note };
  return [...rows, whole, ...fixedRows(cost)];
}

const fixedRows = ({ fixedCharges = [], currency, tariff }: ReportCost): Figure[] =>
  fixedCharges.map(({ name, amountCost, per }) => ({
    label: '  beside the run',
    value: formatMoney(amountCost, currency),
    note: `per ${per}, ${name} of ${tariff.source}: due without the run too, in no sum`,
  }));

const isClipped = (name: string): boolean => widthOf(plain(name)) > LABEL_WIDTH;

const capitalised = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const withinRent = ({ includesEnergy, energyShareRatio }: ReportCostLine): string =>
  !includesEnergy
    ? ''
    : energyShareRatio === undefined
      ? '; includes energy'
      : `; includes energy, whose cost above is ${formatPercent(energyShareRatio)} of it`;

/** What idle GPUs drew and cost: a part of the figures above it. */
export function idleRows({ idle, cost, energy }: Report): Figure[] {
  if (idle === undefined || idle.idleSeconds === 0) return [];
  const { energyCost, hardwareCost, energyRatio = 0, knownSeconds, timeRatio } = idle;
  const paid = [
    energyCost === undefined ? '' : `${formatMoney(energyCost, cost.currency)} of energy`,
    hardwareCost === undefined ? '' : `${formatMoney(hardwareCost, cost.currency)} of hardware`,
  ].filter((part) => part !== '');
  // A meter's edges and a source's beginnings are no reason to doubt the rest.
  const told = knownSeconds / energy.observedSeconds;
  const known = told < WELL_KNOWN ? `; known of ${formatPercent(Math.min(1, told))} of it` : '';
  const share = `${formatPercent(energyRatio)} of GPU energy, ${formatPercent(timeRatio)} of GPU time: ${idle.source}${known}`;
  return [
    {
      label: 'Idle GPUs',
      value: formatEnergy(idle.energyJoules),
      note: [...paid, share].join('; '),
    },
  ];
}

// A token's share has more zeros than digits; a million of them is what tokens are priced by.
const TOKENS_SHOWN = 1e6;

/** The bill per GPU-hour, step and million tokens. */
export function perRows(report: Report): Figure[] {
  const { per, cost, energy } = report;
  if (per === undefined) return [];
  const gaps = energy.coverageRatio < 1 ? ', gaps left out' : '';
  const rowOf = (
    label: string,
    one: ReportPerOne | undefined,
    wordsOf: (count: number) => string,
    times = 1,
  ): Figure[] =>
    one?.facilityKilowattHours === undefined
      ? []
      : [
          {
            label,
            value: formatEnergy(fromKilowattHours(one.facilityKilowattHours * times)),
            note: onEnergy(
              [moneyAndMass(one, cost.currency, times), `of ${wordsOf(one.count)}`]
                .filter((part) => part !== '')
                .join('; '),
              report,
            ),
          },
        ];
  return [
    ...rowOf('Per GPU-hour', per.gpuHour, (count) => `${formatValue(count)} GPU-hours`),
    ...rowOf('Per step', per.step, (count) => `${counted(count, 'step')}${gaps}`),
    ...rowOf(
      'Per 1M tokens',
      per.token,
      (count) => `${counted(count, 'token')}${gaps}`,
      TOKENS_SHOWN,
    ),
  ];
}

const counted = (count: number, thing: string): string =>
  `${formatNumber(count, 0)} ${thing}${count === 1 ? '' : 's'}`;

function moneyAndMass(one: ReportPerOne, currency: string, times: number): string {
  const { energyCost, hardwareCost, locationBasedGrams, softwareCarbonIntensityGrams: sci } = one;
  return [
    energyCost === undefined ? '' : formatMoney(energyCost * times, currency),
    hardwareCost === undefined ? '' : `${formatMoney(hardwareCost * times, currency)} of hardware`,
    locationBasedGrams === undefined ? '' : `${formatMass(locationBasedGrams * times)} CO2e`,
    sci === undefined ? '' : `SCI ${formatMass(sci * times)}`,
  ]
    .filter((part) => part !== '')
    .join(', ');
}
