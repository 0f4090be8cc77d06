// The report as one HTML file that needs nothing else: no script, no font, no request; prints on paper.

import { formatDuration, formatPercent, formatPower, formatValue } from '../display/quantity.ts';
import { figuresOf } from './figures.ts';
import { powerProfile, type PowerSeries } from './power-profile.ts';
import type { Report, ReportDevice, ReportWindow } from './report.ts';
import {
  energyInWords,
  hostInWords,
  inputSentence,
  methodSentence,
  modelsInWords,
  savingsInWords,
  uncertaintySentence,
  warningsInWords,
} from './words.ts';

const STYLE = `
:root{color-scheme:light dark;--ink:#1b1f24;--faint:#667;--line:#d5d9de;--paper:#fff;--mark:#0a6e4f;--alarm:#8a4b00}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--faint:#9aa3ad;--line:#39414a;--paper:#15191d;--mark:#4cc38a;--alarm:#f0b060}}
*{box-sizing:border-box}
body{margin:2rem auto;max-width:60rem;padding:0 1rem;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.6rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}
p{margin:.3rem 0}.faint,td.note{color:var(--faint)}code{overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}
th,td{padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th{font-weight:600}td.number,th.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
th[scope=row]{white-space:nowrap}td.value{font-weight:600;white-space:nowrap;padding-right:1.5rem;font-variant-numeric:tabular-nums}
.scroll{overflow-x:auto}svg{width:100%;height:auto;display:block}
td.uuid{font:.75rem/2 ui-monospace,monospace;white-space:nowrap;color:var(--faint)}
.alarm{color:var(--alarm)}
@media print{:root{--ink:#000;--faint:#444;--line:#999;--paper:#fff;--mark:#000;--alarm:#000}body{margin:0;max-width:none;font-size:11px}h2,tr,svg{break-inside:avoid}}
`;

// Beyond this a value is a sentence that says why there is none.
const LONG_VALUE = 40;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML shows it, whatever is in it. */
export const escapeHtml = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);

/** What may stand beside the figures. */
export interface HtmlOptions {
  readonly series?: readonly PowerSeries[];
}

const cell = (text: string, kind = ''): string =>
  `<td${kind === '' ? '' : ` class="${kind}"`}>${escapeHtml(text)}</td>`;
const rowOf = (cells: readonly string[]): string => `<tr>${cells.join('')}</tr>`;

function tableOf(titles: readonly string[], rows: readonly string[], textColumns: number): string {
  const head = titles.map(
    (title, position) =>
      `<th${position < textColumns ? '' : ' class="number"'} scope="col">${escapeHtml(title)}</th>`,
  );
  return `<div class="scroll"><table><thead>${rowOf(head)}</thead><tbody>${rows.join('\n')}</tbody></table></div>`;
}

const deviceRow = (device: ReportDevice, isMixed: boolean): string =>
  rowOf([
    cell(device.host === undefined ? String(device.index) : `${device.host}:${device.index}`),
    ...(isMixed ? [cell(device.model)] : []),
    cell(device.uuid, 'uuid'),
    cell(energyInWords(device.energyJoules, device.uncertaintyJoules), 'number'),
    cell(device.powerMeanWatts === undefined ? '–' : formatPower(device.powerMeanWatts), 'number'),
    cell(device.powerMaxWatts === undefined ? '–' : formatPower(device.powerMaxWatts), 'number'),
    cell(formatPercent(device.coverageRatio), 'number'),
    cell(device.method ?? '–', 'number'),
  ]);

function deviceTable({ devices }: Report): string {
  if (devices.length === 0) return '';
  const isMixed = new Set(devices.map(({ model }) => model)).size > 1;
  const names = ['GPU', ...(isMixed ? ['model'] : []), 'uuid'];
  const titles = [...names, 'energy', 'mean', 'max', 'coverage', 'by'];
  const rows = devices.map((device) => deviceRow(device, isMixed));
  return `<h2>${escapeHtml(modelsInWords(devices))}</h2>${tableOf(titles, rows, names.length)}`;
}

/** What a window may tell beside its energy; a column that no window fills is left out. */
function windowExtras({ windows, cost }: Report): readonly {
  readonly title: string;
  readonly valueOf: (window: ReportWindow) => number | undefined;
}[] {
  return [
    { title: 'J/step', valueOf: (window: ReportWindow) => window.joulesPerStep },
    { title: 'J/token', valueOf: (window: ReportWindow) => window.joulesPerToken },
    { title: cost.currency, valueOf: (window: ReportWindow) => window.energyCost },
    { title: `${cost.currency}/step`, valueOf: (window: ReportWindow) => window.costPerStep },
    { title: `${cost.currency}/token`, valueOf: (window: ReportWindow) => window.costPerToken },
  ].filter(({ valueOf }) => windows.some((window) => valueOf(window) !== undefined));
}

function windowTable(report: Report): string {
  const { windows } = report;
  if (windows.length === 0) return '';
  const extras = windowExtras(report);
  const rows = windows.map((window) =>
    rowOf([
      cell(window.name),
      cell(formatDuration(window.durationSeconds), 'number'),
      cell(energyInWords(window.gpuJoules, window.uncertaintyJoules), 'number'),
      ...extras.map(({ valueOf }) => {
        const value = valueOf(window);
        return cell(value === undefined ? '–' : formatValue(value), 'number');
      }),
    ]),
  );
  const titles = ['window', 'duration', 'energy', ...extras.map(({ title }) => title)];
  return `<h2>Windows</h2>${tableOf(titles, rows, 1)}`;
}

function leverTable({ levers = [], cost }: Report): string {
  if (levers.length === 0) return '';
  const rows = levers.map((lever) =>
    rowOf([
      `<th scope="row">${escapeHtml(lever.name)}</th>`,
      cell(savingsInWords(lever, cost.currency)),
      cell(`${lever.breakEven} (${lever.provenance}; ${lever.source})`, 'note'),
    ]),
  );
  return `<h2>Levers</h2>${tableOf(['lever', 'saves', 'break-even'], rows, 3)}`;
}

function figureTable(report: Report): string {
  const rows = figuresOf(report).map(({ label, value, note = '' }) =>
    rowOf([
      `<th scope="row">${escapeHtml(label.trim())}</th>`,
      cell(value, value.length > LONG_VALUE ? 'sentence' : 'value'),
      cell(note, 'note'),
    ]),
  );
  return `<table><tbody>${rows.join('\n')}</tbody></table>`;
}

function header(report: Report): string {
  const { run, wattmeterVersion } = report;
  const command =
    run.command === undefined ? '' : `<p><code>${escapeHtml(run.command.join(' '))}</code></p>`;
  const exit = run.exitCode === undefined ? '' : ` · exit code ${run.exitCode}`;
  return `<h1>${escapeHtml(run.name ?? run.id)}</h1>${command}
<p>${escapeHtml(hostInWords(report))}${run.startTime} – ${run.endTime} · ${formatDuration(run.durationSeconds)}${exit}</p>
<p class="faint">run ${escapeHtml(run.id)} · wattmeter ${escapeHtml(wattmeterVersion)}</p>`;
}

/** The whole page. */
export function formatHtml(report: Report, options: HtmlOptions = {}): string {
  const profile = powerProfile(options.series ?? []);
  const warnings = warningsInWords(report).map((message) => `<li>${escapeHtml(message)}</li>`);
  const input = inputSentence(report);
  const sections = [
    header(report),
    figureTable(report),
    profile === '' ? '' : `<h2>Power</h2>${profile}`,
    deviceTable(report),
    windowTable(report),
    leverTable(report),
    `<h2>Method</h2><p>${escapeHtml(`${methodSentence(report.devices)} ${uncertaintySentence(report)}`.trim())}</p>`,
    input === undefined ? '' : `<p>${escapeHtml(input)}</p>`,
    warnings.length === 0 ? '' : `<h2>Warnings</h2><ul class="alarm">${warnings.join('\n')}</ul>`,
  ].filter((section) => section !== '');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(report.run.name ?? report.run.id)} – energy report</title>
<style>${STYLE}</style>
</head>
<body>
${sections.join('\n')}
</body>
</html>
`;
}
