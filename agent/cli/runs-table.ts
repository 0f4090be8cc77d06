// The ledger's runs as a table for people.

import { clip, plain, tableLines, widthOf, type Column } from '../display/line.ts';
import { formatDuration, formatEnergy } from '../display/quantity.ts';
import type { RunSummary } from '../snapshot.ts';

const COLUMNS: readonly Column[] = [
  { title: 'run', align: 'left' },
  { title: 'state', align: 'left' },
  { title: 'duration', align: 'right' },
  { title: 'energy (k = 2)', align: 'right' },
];
const NAME: Column = { title: 'name', align: 'left' };
const WIDTH = 80;
const GUTTER = 2;
const UNKNOWN = '–';

/** One line of at most 80 columns per run, oldest first, ending in a line break; names take the room that is left. */
export function formatRuns(runs: readonly RunSummary[]): string {
  const taken = Math.max(...tableLines(COLUMNS, runs.map(rowOf)).map(widthOf));
  const left = Math.max(widthOf(NAME.title), WIDTH - taken - GUTTER);
  const named = runs.map((run) => [...rowOf(run), clip(nameOf(run), left)]);
  return `${tableLines([...COLUMNS, NAME], named).join('\n')}\n`;
}

const rowOf = (run: RunSummary): string[] => [
  run.id,
  stateOf(run),
  run.endSeconds === undefined ? UNKNOWN : formatDuration(run.endSeconds - run.startSeconds),
  run.gpuJoules === undefined ? UNKNOWN : formatEnergy(run.gpuJoules, run.uncertaintyJoules),
];

/** An exit code says that the run is closed. */
const stateOf = ({ state, exitCode }: RunSummary): string =>
  exitCode === undefined ? state : `exit ${exitCode}`;

const nameOf = ({ name, command }: RunSummary): string => plain(name ?? command?.join(' ') ?? '');
