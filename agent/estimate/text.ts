// An estimate as a page for a terminal: 80 columns, aligned, every assumption labelled. Pure.

import type { Check } from './checks.ts';
import type { EstimateResult } from './estimate.ts';
import type { AsPublished, Estimate, Figure, Section } from './figures.ts';
import { formatNumber } from './number.ts';
import { isExact, type Range } from './range.ts';
import type { VerificationRow } from './verify.ts';

const WIDTH = 80;
const LABEL_WIDTH = 30;
const COLUMN_WIDTH = 11;
const VALUE_WIDTH = 3 * COLUMN_WIDTH + 1;

/** The result as text, ending with a newline. */
export function formatEstimate(result: EstimateResult): string {
  const lines =
    result.kind === 'estimate' ? estimateLines(result.estimate) : verificationLines(result.rows);
  return `${lines.join('\n')}\n`;
}

/** The cases by name, with what each is. */
export const formatCases = (
  cases: readonly { readonly name: string; readonly title: string }[],
): string =>
  `${cases
    .flatMap(({ name, title }) => {
      const [first = '', ...rest] = wrap(title, CASE_WIDTH);
      return [name.padEnd(CASE_WIDTH) + first.trimStart(), ...rest];
    })
    .join('\n')}\n`;

const CASE_WIDTH = 28;

function estimateLines(estimate: Estimate): string[] {
  const isSpread = estimate.sections.some((section) =>
    section.figures.some((figure) => !isExact(figure.value)),
  );
  return [
    ...wrap(estimate.name, 0),
    ...(estimate.description === undefined ? [] : wrap(estimate.description, 0)),
    '',
    ...(isSpread ? headings() : []),
    ...estimate.sections.flatMap((section) => sectionLines(section, isSpread)),
    ...publishedLines(estimate.published ?? []),
    ...checkLines(estimate.checks),
    ...leverLines(estimate),
  ];
}

const headings = (): string[] => [`${' '.repeat(LABEL_WIDTH)}${columns('low', 'mid', 'high')}`];

function sectionLines(section: Section, isSpread: boolean): string[] {
  return [
    section.title,
    ...section.figures.flatMap((figure) => figureLines(figure, isSpread)),
    ...(section.missing === undefined ? [] : wrap(section.missing, 2)),
    '',
  ];
}

function figureLines(figure: Figure, isSpread: boolean): string[] {
  const label = `  ${figure.label}`.padEnd(isSpread ? LABEL_WIDTH : LABEL_WIDTH + COLUMN_WIDTH);
  const numbers = isSpread ? spread(figure.value) : formatNumber(figure.value.mid).padStart(16);
  const unit = figure.unit === '1' ? '' : figure.unit;
  const mark = figure.provenance === 'derived' ? '' : figure.provenance;
  const line = `${label}${numbers} ${`${unit} ${mark}`.trim()}`.trimEnd();
  return [line, ...(figure.note === undefined ? [] : wrap(figure.note, 6))];
}

function spread(value: Range): string {
  if (isExact(value)) return columns('', compact(value.mid), '');
  return columns(compact(value.low), compact(value.mid), compact(value.high));
}

function columns(low: string, mid: string, high: string): string {
  const text = low.padStart(COLUMN_WIDTH) + mid.padStart(COLUMN_WIDTH + 1);
  return (text + high.padStart(COLUMN_WIDTH)).padEnd(VALUE_WIDTH);
}

/** At most ten characters: the columns hold no more. */
function compact(value: number): string {
  const text = formatNumber(value);
  if (text.length <= 10) return text;
  return new Intl.NumberFormat('en-US', {
    notation: 'compact',
    maximumSignificantDigits: 4,
  }).format(value);
}

function publishedLines(published: readonly AsPublished[]): string[] {
  if (published.length === 0) return [];
  return [
    'As published',
    ...published.flatMap(({ unit, published: value, recomputed, errorPercent }) =>
      wrap(
        `${formatNumber(value)} ${unit}; recomputed ${formatNumber(recomputed)}, ${percent(errorPercent)}`,
        2,
      ),
    ),
    '',
  ];
}

const percent = (value: number): string => `${value.toFixed(2).replace(/^-0\.00$/, '0.00')} %`;

function checkLines(checks: readonly Check[]): string[] {
  if (checks.length === 0) return ['Plausibility: nothing out of proportion was found.', ''];
  return ['Plausibility: IMPLAUSIBLE', ...checks.flatMap((check) => bullet(check.message)), ''];
}

function leverLines({ levers, openLevers, currency }: Estimate): string[] {
  if (levers.length === 0) return [];
  const open = openLevers.map(({ name, needs }) => `${name} (give ${needs})`).join(', ');
  return [
    'Levers (modelled; low, mid, high; a negative saving is an extra cost)',
    ...levers.flatMap((lever) => [
      `  ${lever.name}`,
      ...saving('energy', lever.savedKilowattHours, 'kWh'),
      ...saving('money', lever.savedCost, currency),
      ...saving('carbon', lever.savedKilograms, 'kg'),
      ...wrap(`break-even: ${lever.breakEven}`, 4),
      ...wrap(`source: ${lever.source}`, 4),
    ]),
    ...(open === '' ? [] : wrap(`Not weighed: ${open}.`, 2)),
  ];
}

function saving(name: string, value: Range | undefined, unit: string): string[] {
  if (value === undefined) return [];
  return [`${`    saves ${name}`.padEnd(LABEL_WIDTH)}${spread(value)} ${unit}`];
}

function verificationLines(rows: readonly VerificationRow[]): string[] {
  const printed = rows.filter((row) => row.published !== undefined);
  const failing = printed.filter((row) => !row.holds);
  return [
    `${'run'.padEnd(28)}${'published'.padStart(12)}${'recomputed'.padStart(12)} ${'unit'.padEnd(7)}${'error'.padStart(9)}${'allowed'.padStart(9)}`,
    ...rows.map(verificationLine),
    '',
    ...failing.flatMap((row) => bullet(`${row.id}: outside the error of ${row.withinPercent} %.`)),
    ...rows.flatMap((row) =>
      row.check === undefined ? [] : bullet(`${row.id}, implausible: ${row.check.message}`),
    ),
    ...wrap(
      `${printed.length - failing.length} of ${printed.length} printed figures recompute within the error allowed: they are rounded, and so are the hours and watts printed beside them.`,
      0,
    ),
  ];
}

function verificationLine(row: VerificationRow): string {
  const published = row.published === undefined ? '–' : formatNumber(row.published);
  const error = row.errorPercent === undefined ? '' : percent(row.errorPercent);
  const allowed = row.withinPercent === undefined ? '' : `${row.withinPercent} %`;
  const flag = row.holds && row.check === undefined ? '' : ' !';
  return (
    `${row.id.padEnd(28)}${published.padStart(12)}${formatNumber(row.recomputed).padStart(12)} ` +
    `${row.unit.padEnd(7)}${error.padStart(9)}${allowed.padStart(9)}${flag}`
  ).trimEnd();
}

const bullet = (text: string): string[] =>
  wrap(text, 4).map((line, position) => (position === 0 ? `  - ${line.trimStart()}` : line));

/** Words wrapped at 80 columns. */
function wrap(text: string, indent: number): string[] {
  const margin = ' '.repeat(indent);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && indent + line.length + 1 + word.length > WIDTH) {
      lines.push(margin + line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, margin + line];
}
