// The report as a bill on a terminal: 80 columns, the main figures first, a label on each that was not measured.

import { clip, pad, plain, widthOf, wrap } from '../display/line.ts';
import {
  formatDuration,
  formatEnergy,
  formatMass,
  formatMoney,
  formatNumber,
  formatPercent,
  formatPower,
  formatRatio,
  formatValue,
} from '../display/quantity.ts';
import { paintOf, type Paint } from './paint.ts';
import type { Report } from './report.ts';
import { deviceSection, windowSection } from './text-tables.ts';
import {
  gapsInWords,
  labelled,
  methodSentence,
  priceInWords,
  uncertaintySentence,
} from './words.ts';

const WIDTH = 80;
const INDENT = '  ';
const LABEL_WIDTH = 17;
const VALUE_WIDTH = 24;
const SHOWN_MALFORMED = 3;

/** How the text is to look. */
export interface TextOptions {
  /** ANSI colours; off unless the output is a terminal that wants them. */
  readonly colour?: boolean;
}

interface Row {
  readonly label: string;
  readonly value: string;
  readonly note?: string;
}

/** The whole text report, ending in a line break. */
export function formatText(report: Report, options: TextOptions = {}): string {
  const paint = paintOf(options.colour ?? false);
  const sections = [
    headerLines(report, paint),
    figureRows(report).flatMap((row) => rowLines(row, paint)),
    deviceSection(report, paint),
    windowSection(report, paint),
    methodLines(report, paint),
    inputLines(report),
    warningLines(report, paint),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function headerLines({ run, wattmeterVersion }: Report, paint: Paint): string[] {
  const exit = run.exitCode === undefined ? '' : `exit code ${run.exitCode}`;
  const title = clip(plain(run.name ?? run.id), WIDTH - widthOf(exit) - 2);
  const space = ' '.repeat(Math.max(0, WIDTH - widthOf(title) - widthOf(exit)));
  const command = run.command === undefined ? [] : [clip(plain(run.command.join(' ')), WIDTH)];
  const span = `${clock(run.startTime)} – ${clock(run.endTime, run.startTime)} UTC`;
  return [
    exit === '' ? paint(title, 'strong') : `${paint(title, 'strong')}${space}${exit}`,
    ...command,
    clip(`${plain(run.host)} · ${span} · ${formatDuration(run.durationSeconds)}`, WIDTH),
    paint(clip(`run ${plain(run.id)} · wattmeter ${wattmeterVersion}`, WIDTH), 'faint'),
  ];
}

/** `2026-11-23 08:00:00`; without the date where it is that of `since`. */
function clock(time: string, since = ''): string {
  const [date = '', hour = ''] = time.slice(0, 19).split('T');
  return since.startsWith(date) ? hour : `${date} ${hour}`;
}

function rowLines({ label, value, note = '' }: Row, paint: Paint): string[] {
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

function figureRows(report: Report): Row[] {
  return [
    ...energyRows(report),
    ...moneyRows(report),
    ...carbonRows(report),
    ...besideRows(report),
    ...computeRows(report),
    ...coverageRows(report),
  ];
}

function energyRows({ energy, devices }: Report): Row[] {
  const rows: Row[] = [];
  const isMeasured = energy.observedSeconds > 0;
  if (isMeasured || energy.modelledJoules === undefined) {
    const known = formatEnergy(energy.gpuJoules, energy.gpuUncertaintyJoules);
    const isLone = devices.length === 1;
    rows.push({
      label: 'GPU energy',
      value: isMeasured ? known : 'not measured',
      note: isMeasured ? `measured${isLone ? '' : `, ${devices.length} GPUs together`}` : '',
    });
  }
  if (energy.modelledJoules !== undefined) {
    const value = formatEnergy(energy.modelledJoules);
    rows.push({ label: 'Modelled energy', value, note: 'modelled from duty cycle, no sensor' });
  }
  if (energy.hostJoules !== undefined) {
    const margin = energy.hostProvenance === 'measured' ? energy.hostUncertaintyJoules : undefined;
    const note: string = energy.hostProvenance ?? '';
    rows.push({ label: 'Host energy', value: formatEnergy(energy.hostJoules, margin), note });
  }
  const { powerUsageEffectiveness: pue, powerUsageEffectivenessProvenance: provenance } = energy;
  if (rows.every(({ value }) => value === 'not measured')) return rows;
  const value = formatEnergy(energy.facilityJoules);
  const note = labelled(`IT energy × PUE ${formatRatio(pue)}`, provenance);
  return [...rows, { label: 'E_compute', value, note }];
}

function moneyRows(report: Report): Row[] {
  const { cost } = report;
  const { currency, energyCost, creditCost } = cost;
  if (energyCost === undefined) {
    const why = `not known: ${cost.missing ?? 'no price'}`;
    return [{ label: 'Energy cost', value: why }, ...otherCostRows(report)];
  }
  if (report.energy.itJoules === 0 && report.energy.observedSeconds === 0) return [];
  const rows: Row[] = [
    {
      label: 'Energy cost',
      value: formatMoney(energyCost, currency, cost.uncertaintyCost),
      note: priceInWords(report),
    },
  ];
  if (creditCost !== undefined) {
    const value = formatMoney(creditCost, currency);
    rows.push({ label: '  credits', value, note: 'at negative prices, already taken off' });
  }
  return [...rows, ...otherCostRows(report)];
}

const otherCostRows = ({ cost }: Report): Row[] =>
  (cost.otherCosts ?? []).map(({ name, amountCost, provenance, source, includesEnergy }) => ({
    label: clip(plain(name), LABEL_WIDTH - 1),
    value: formatMoney(amountCost, cost.currency),
    note: labelled(`${source}${includesEnergy ? '; includes energy' : ''}`, provenance),
  }));

function carbonRows({ carbon, energy }: Report): Row[] {
  if ('missing' in carbon) return [{ label: 'Carbon', value: `not known: ${carbon.missing}` }];
  if (energy.itJoules === 0 && energy.observedSeconds === 0) return [];
  const { intensityGramsPerKilowattHourMean: intensity, marketBasedGrams } = carbon;
  const mean = intensity === undefined ? '' : ` ${formatValue(intensity)} g/kWh`;
  const basis = labelled(`location-based, ${carbon.zone}${mean}`, carbon.provenance);
  const rows: Row[] = [
    {
      label: 'Carbon (CO2e)',
      value: formatMass(carbon.locationBasedGrams, carbon.uncertaintyGrams),
      note: `${basis}; ${carbon.dataset}: ${carbon.vintage}`,
    },
  ];
  if (marketBasedGrams !== undefined) {
    const note = `market-based, ${carbon.marketBasedMethod ?? ''}`;
    rows.push({ label: '  by contract', value: formatMass(marketBasedGrams), note });
  }
  return rows;
}

function besideRows({ embodied, water, social, data }: Report): Row[] {
  const rows: Row[] = [];
  if (embodied !== undefined) {
    const note = labelled(embodied.source, embodied.provenance);
    rows.push({ label: 'Embodied (CO2e)', value: formatMass(embodied.embodiedGrams), note });
  }
  if (water !== undefined) {
    const value = `${formatValue(water.waterLitres)} L`;
    rows.push({ label: 'Water', value, note: labelled(water.source, water.provenance) });
  }
  if (social !== undefined) {
    const value = formatMoney(social.socialCost, social.currency);
    rows.push({ label: 'Social cost', value, note: labelled(social.source, social.provenance) });
  }
  if (data !== undefined) {
    const k = data.k === undefined ? '' : `k ${formatValue(data.k)}; `;
    const note = labelled(`${k}${data.method ?? 'transfer and storage'}`, data.provenance);
    rows.push({ label: 'E_data', value: `${formatValue(data.energyKilowattHours)} kWh`, note });
  }
  return rows;
}

function computeRows({ compute, energy }: Report): Row[] {
  const { powerMeanWatts, ratedPowerWatts, k } = compute;
  if (powerMeanWatts === undefined) return [];
  const scope = energy.hostJoules === undefined ? '' : 'GPUs and host, ';
  const rows: Row[] = [
    {
      label: 'Mean power',
      value: formatPower(powerMeanWatts),
      note: `${scope}energy ÷ observed time`,
    },
  ];
  if (k === undefined || ratedPowerWatts === undefined) return rows;
  return [
    ...rows,
    {
      label: 'k_compute',
      value: formatNumber(k, 3),
      note: `measured, of ${formatPower(ratedPowerWatts)} rated`,
    },
  ];
}

function coverageRows({ energy }: Report): Row[] {
  const { gapSeconds, gapSecondsByReason, bridgedSeconds, gapEstimateJoules } = energy;
  if (energy.observedSeconds + gapSeconds === 0) return [];
  const reasons = gapsInWords(gapSecondsByReason);
  const bridged =
    bridgedSeconds === undefined
      ? ''
      : `; ${formatDuration(bridgedSeconds)} bridged by the counter`;
  const rows: Row[] = [
    {
      label: 'Coverage',
      value: formatPercent(energy.coverageRatio),
      note: reasons === '' ? 'no gap' : `gaps: ${reasons}${bridged}`,
    },
  ];
  if (gapEstimateJoules === undefined) return rows;
  return [
    ...rows,
    {
      label: 'In the gaps',
      value: `${formatEnergy(gapEstimateJoules, energy.gapEstimateUncertaintyJoules)}`,
      note: 'modelled; not in any figure above',
    },
  ];
}

function methodLines(report: Report, paint: Paint): string[] {
  const sentences = [methodSentence(report.devices), uncertaintySentence(report)];
  if (report.devices.length === 0) return [];
  return wrap(sentences.join(' '), WIDTH).map((line) => paint(line, 'faint'));
}

function inputLines({ input }: Report): string[] {
  if (input === undefined) return [];
  const rows = `${formatNumber(input.rows, 0)} rows`;
  if (input.malformedCount === 0) return wrap(`Input: ${input.file}, ${rows}.`, WIDTH);
  const shown = input.malformed
    .slice(0, SHOWN_MALFORMED)
    .map(
      ({ file, line, reason }) => `${file === undefined ? '' : `${file} `}line ${line}: ${reason}`,
    );
  const more = input.malformedCount - shown.length;
  const list = [...shown, ...(more > 0 ? [`and ${formatNumber(more, 0)} more`] : [])].join('; ');
  const count = formatNumber(input.malformedCount, 0);
  return wrap(`Input: ${input.file}, ${rows}; ${count} lines not understood: ${list}.`, WIDTH);
}

function warningLines({ warnings, devices }: Report, paint: Paint): string[] {
  const all = [
    ...warnings,
    ...devices.flatMap((device) =>
      device.warnings.map((found) => ({
        ...found,
        message: `GPU ${device.index}: ${found.message}`,
      })),
    ),
  ];
  return all.flatMap(({ message }) => {
    const [first = '', ...rest] = wrap(message, WIDTH - 2);
    return [paint(`! ${first}`, 'alarm'), ...rest.map((line) => paint(`  ${line}`, 'alarm'))];
  });
}
