// The ledger's runs as a table for people.

import { tableLines, type Column } from '../display/line.ts';
import { formatDuration, formatEnergy } from '../display/quantity.ts';
import type { RunSummary } from '../snapshot.ts';

const COLUMNS: readonly Column[] = [
  { title: 'run', align: 'left' },
  { title: 'state', align: 'left' },
  { title: 'duration', align: 'right' },
  { title: 'exit', align: 'right' },
  { title: 'energy (k = 2)', align: 'right' },
  { title: 'name', align: 'left' },
];
const UNKNOWN = '–';
const NAME_COLUMNS = 30;

/** One line per run, oldest first, ending in a line break. */
export function formatRuns(runs: readonly RunSummary[]): string {
  return `${tableLines(COLUMNS, runs.map(rowOf)).join('\n')}\n`;
}

const rowOf = (run: RunSummary): string[] => [
  run.id,
  run.state,
  run.endSeconds === undefined ? UNKNOWN : formatDuration(run.endSeconds - run.startSeconds),
  run.exitCode === undefined ? UNKNOWN : String(run.exitCode),
  run.gpuJoules === undefined ? UNKNOWN : formatEnergy(run.gpuJoules, run.uncertaintyJoules),
  nameOf(run),
];

function nameOf({ name, command }: RunSummary): string {
  const text = name ?? command?.join(' ') ?? '';
  return text.length > NAME_COLUMNS ? `${text.slice(0, NAME_COLUMNS - 1)}…` : text;
}
