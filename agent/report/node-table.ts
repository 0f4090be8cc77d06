// The table of nodes in the text report, where a report is of several.

import { clip, plain, tableLines, type Column } from '../display/line.ts';
import { formatMass, formatMoney, formatPercent } from '../display/quantity.ts';
import type { Paint } from './paint.ts';
import type { Report, ReportNode } from './report.ts';
import { energyInWords } from './words.ts';

const INDENT = '  ';
const NAME_WIDTH = 16;
const absent = '–';
// A screenful; all of them are in the JSON.
const MAX_LINES = 40;

const COLUMNS: readonly Column[] = [
  { title: 'node', align: 'left' },
  { title: 'GPUs', align: 'right' },
  { title: 'energy', align: 'right' },
  { title: 'cost', align: 'right' },
  { title: 'CO2e', align: 'right' },
  { title: 'coverage', align: 'right' },
];

/** A line per node; of very many the ones that used most. */
export function nodeSection({ nodes = [], cost }: Report, paint: Paint): string[] {
  if (nodes.length === 0) return [];
  const shown =
    nodes.length <= MAX_LINES
      ? nodes
      : nodes.toSorted((a, b) => (b.gpuJoules ?? 0) - (a.gpuJoules ?? 0)).slice(0, MAX_LINES);
  const title =
    shown.length < nodes.length
      ? `The ${shown.length} of ${nodes.length} nodes that used most`
      : `${nodes.length} nodes`;
  const lines = tableLines(
    COLUMNS,
    shown.map((node) => cellsOf(node, cost.currency)),
  );
  return [
    paint(title, 'strong'),
    ...lines.map((line, position) => INDENT + (position === 0 ? paint(line, 'faint') : line)),
  ];
}

const cellsOf = (node: ReportNode, currency: string): string[] => [
  clip(plain(node.host), NAME_WIDTH),
  String(node.gpuCount),
  energyInWords(node.gpuJoules, node.gpuUncertaintyJoules),
  node.energyCost === undefined ? absent : formatMoney(node.energyCost, currency),
  node.locationBasedGrams === undefined ? absent : formatMass(node.locationBasedGrams),
  formatPercent(node.coverageRatio),
];
