// A comparison on a terminal: per quantity the runs under each other, within 80 columns.

import { clip, plain, tableLines, wrap, type Column } from '../display/line.ts';
import {
  formatDuration,
  formatEnergy,
  formatMass,
  formatMoney,
  formatNumber,
  formatPower,
  formatValue,
} from '../display/quantity.ts';
import { fromKilowattHours } from '../units.ts';
import type {
  ComparedQuantity,
  ComparedRun,
  ComparedValue,
  Comparison,
  Verdict,
} from './compare.ts';

const WIDTH = 80;
const NAME_WIDTH = 18;

const TITLES: Readonly<Record<ComparedQuantity, string>> = {
  'gpu-energy': 'GPU energy',
  'facility-energy': 'E_compute',
  'energy-per-step': 'GPU energy per step',
  'energy-per-token': 'GPU energy per token',
  duration: 'Duration',
  'mean-power': 'Mean power',
  cost: 'Energy cost',
  carbon: 'Carbon (CO2e), location-based',
};

const VERDICTS: Readonly<Record<Verdict, string>> = {
  more: 'more',
  less: 'less',
  'within-uncertainty': 'no clear difference',
};

function shown(
  quantity: ComparedQuantity,
  { value, uncertainty }: ComparedValue,
  run: ComparedRun,
): string {
  switch (quantity) {
    case 'gpu-energy':
      return formatEnergy(value, uncertainty);
    case 'facility-energy':
      return formatEnergy(fromKilowattHours(value));
    case 'energy-per-step':
    case 'energy-per-token':
      return `${formatValue(value)} J`;
    case 'duration':
      return formatDuration(value);
    case 'mean-power':
      return formatPower(value);
    case 'cost':
      return formatMoney(value, run.cost.currency, uncertainty);
    case 'carbon':
      return formatMass(value, uncertainty);
  }
}

function difference({ differenceRatio, differenceUncertaintyRatio }: ComparedValue): string {
  if (differenceRatio === undefined) return '';
  const sign = differenceRatio > 0 ? '+' : '';
  const percent = `${sign}${formatNumber(differenceRatio * 100, 1)}`;
  if (differenceUncertaintyRatio === undefined) return `${percent} %`;
  return `${percent} ± ${formatNumber(differenceUncertaintyRatio * 100, 1)} %`;
}

/** The comparison, ending in a line break. */
export function formatComparison(comparison: Comparison): string {
  const { runs, rows, cautions } = comparison;
  const blocks = rows.map(({ quantity, values }) => {
    const columns: readonly Column[] = [
      { title: TITLES[quantity], align: 'left' },
      { title: '', align: 'right' },
      { title: '', align: 'right' },
      { title: '', align: 'left' },
    ];
    const lines = runs.map((run, position) => {
      const value = values[position];
      const name = `  ${clip(plain(run.run.name ?? run.run.id), NAME_WIDTH)}`;
      if (value === undefined) return [name, 'unknown'];
      const verdict = value.verdict === undefined ? '' : VERDICTS[value.verdict];
      const note = position === 0 ? 'baseline' : verdict;
      return [name, shown(quantity, value, run), difference(value), note];
    });
    return tableLines(columns, lines).join('\n');
  });
  const notes = cautions.flatMap((caution) => {
    const [first = '', ...rest] = wrap(caution, WIDTH - 2);
    return [`! ${first}`, ...rest.map((line) => `  ${line}`)];
  });
  return `${[...blocks, ...(notes.length > 0 ? [notes.join('\n')] : [])].join('\n\n')}\n`;
}
