// The report as a bill on a terminal: 80 columns, the main figures first, a label on each that was not measured.

import { clip, pad, plain, widthOf, wrap } from '../display/line.ts';
import { formatDuration } from '../display/quantity.ts';
import type { Figure } from './figure-row.ts';
import { figuresOf } from './figures.ts';
import { nodeSection } from './node-table.ts';
import { paintOf, type Paint } from './paint.ts';
import type { Report } from './report.ts';
import { changesOf } from './repriced.ts';
import { deviceSection, leverSection, windowSection } from './text-tables.ts';
import {
  hostInWords,
  inputSentence,
  methodSentence,
  uncertaintySentence,
  warningsInWords,
} from './words.ts';

const WIDTH = 80;
const INDENT = '  ';
const LABEL_WIDTH = 17;
const VALUE_WIDTH = 24;

/** How the text is to look. */
export interface TextOptions {
  /** ANSI colours; off unless the output is a terminal that wants them. */
  readonly colour?: boolean;
}

/** The whole text report, ending in a line break. */
export function formatText(report: Report, options: TextOptions = {}): string {
  const paint = paintOf(options.colour ?? false);
  const sections = [
    headerLines(report, paint),
    figuresOf(report).flatMap((row) => rowLines(row, paint)),
    repricedLines(report, paint),
    nodeSection(report, paint),
    deviceSection(report, paint),
    windowSection(report, paint),
    leverSection(report, paint),
    methodLines(report, paint),
    inputLines(report),
    warningLines(report, paint),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function headerLines(report: Report, paint: Paint): string[] {
  const { run, wattmeterVersion } = report;
  const exit = run.exitCode === undefined ? '' : `exit code ${run.exitCode}`;
  const title = clip(plain(run.name ?? run.id), WIDTH - widthOf(exit) - 2);
  const space = ' '.repeat(Math.max(0, WIDTH - widthOf(title) - widthOf(exit)));
  const command = run.command === undefined ? [] : [clip(plain(run.command.join(' ')), WIDTH)];
  const span = `${clock(run.startTime)} – ${clock(run.endTime, run.startTime)} UTC`;
  return [
    exit === '' ? paint(title, 'strong') : `${paint(title, 'strong')}${space}${exit}`,
    ...command,
    clip(`${hostInWords(report)}${span} · ${formatDuration(run.durationSeconds)}`, WIDTH),
    paint(clip(`run ${plain(run.id)} · wattmeter ${wattmeterVersion}`, WIDTH), 'faint'),
  ];
}

/** `2026-11-23 08:00:00`; without the date where it is that of `since`. */
function clock(time: string, since = ''): string {
  const [date = '', hour = ''] = time.slice(0, 19).split('T');
  return since.startsWith(date) ? hour : `${date} ${hour}`;
}

function rowLines({ label, value, note = '' }: Figure, paint: Paint): string[] {
  const start = INDENT + pad(label, LABEL_WIDTH);
  const fits = widthOf(value) <= VALUE_WIDTH;
  const column = LABEL_WIDTH + INDENT.length + (fits ? VALUE_WIDTH + 2 : 0);
  const notes = wrap(note, WIDTH - column);
  if (!fits) {
    const values = wrap(value, WIDTH - column);
    const [first = '', ...rest] = values.map((line) => paint(line, 'strong'));
    return [
      start + first,
      ...[...rest, ...notes.map((line) => paint(line, 'faint'))].map(at(column)),
    ];
  }
  const [first = '', ...rest] = notes.map((line) => paint(line, 'faint'));
  const filled = first === '' ? '' : ' '.repeat(VALUE_WIDTH + 2 - widthOf(value));
  return [start + paint(value, 'strong') + filled + first, ...rest.map(at(column))];
}

const at =
  (column: number) =>
  (line: string): string =>
    ' '.repeat(column) + line;

/** What a stored run came to as it was measured, and now. */
function repricedLines(report: Report, paint: Paint): string[] {
  if (report.repriced === undefined) return [];
  const { before } = report.repriced;
  const rows = changesOf(report).flatMap((change) => {
    const [first = '', ...rest] = wrap(
      `${change.before} → ${change.after}`,
      WIDTH - LABEL_WIDTH - INDENT.length,
    );
    const start = INDENT + pad(change.label, LABEL_WIDTH);
    return [start + first, ...rest.map(at(LABEL_WIDTH + INDENT.length))];
  });
  const unknown = before === undefined ? '; what it came to as measured was not kept' : '';
  return [paint(`Priced anew: as measured → now${unknown}`, 'strong'), ...rows];
}

function methodLines(report: Report, paint: Paint): string[] {
  const sentences = [methodSentence(report.devices), uncertaintySentence(report)];
  if (report.devices.length === 0) return [];
  return wrap(sentences.join(' '), WIDTH).map((line) => paint(line, 'faint'));
}

function inputLines(report: Report): string[] {
  const sentence = inputSentence(report);
  return sentence === undefined ? [] : wrap(sentence, WIDTH);
}

function warningLines(report: Report, paint: Paint): string[] {
  return warningsInWords(report).flatMap((message) => {
    const [first = '', ...rest] = wrap(message, WIDTH - 2);
    return [paint(`! ${first}`, 'alarm'), ...rest.map((line) => paint(`  ${line}`, 'alarm'))];
  });
}
