// Sentences that more than one form of the report says.

import { plain } from '../display/line.ts';
import {
  formatDuration,
  formatEnergy,
  formatMass,
  formatMoney,
  formatNumber,
} from '../display/quantity.ts';
import type { Provenance } from '../model.ts';
import { fromKilowattHours } from '../units.ts';
import type { Report, ReportCarbon, ReportDevice, ReportLever } from './report.ts';
import { measuredOf } from './total.ts';

/** The label beside a figure that was not measured; empty for one that was, or whose source stands beside it. */
function labelOf(provenance: Provenance): string {
  switch (provenance) {
    case 'measured':
    case 'derived':
      return '';
    case 'assumed':
    case 'modelled':
      return provenance;
  }
}

/** `text (assumed)`, where there is something to say. */
export function labelled(text: string, provenance: Provenance): string {
  const label = labelOf(provenance);
  return label === '' ? text : `${text} (${label})`;
}

/** `text; modelled energy`, where a figure stands on energy that no sensor read. */
export function onEnergy(text: string, { energy }: Pick<Report, 'energy'>): string {
  if (energy.modelledJoules === undefined) return text;
  const scope = energy.gpuJoules === undefined ? 'modelled' : 'partly modelled';
  return `${text}${text === '' ? '' : '; '}${scope} energy`;
}

const METHODS = {
  counter: 'its hardware energy counter, checked against its power readings',
  integral:
    'the integral of its power readings, each booked to the time before it that the sensor describes',
  modelled: 'a model of its duty cycle, because it has no power sensor',
} as const;

/** How the energy of these devices was found, in a sentence. */
export function methodSentence(devices: readonly ReportDevice[]): string {
  const methods = [...new Set(devices.map(({ method }) => method))].filter(
    (method) => method !== undefined,
  );
  if (methods.length === 0) return 'No energy was measured.';
  const clauses = methods.map((method) => {
    const count = devices.filter((device) => device.method === method).length;
    return methods.length === 1
      ? METHODS[method]
      : `${METHODS[method]} (${count} of ${devices.length})`;
  });
  return `The energy of a GPU comes from ${clauses.join('; or ')}.`;
}

/** Why a figure that is made of energy is missing. */
export const NOTHING_MEASURED = 'no energy was measured';

/** Energy with its ±, or that nobody looked. */
export const energyInWords = (
  energyJoules: number | undefined,
  uncertaintyJoules: number | undefined,
): string =>
  energyJoules === undefined ? 'not measured' : formatEnergy(energyJoules, uncertaintyJoules);

const MODELLED_UNCERTAINTY =
  '± is an assumption about the model (k = 2): nobody has measured how good it is.';

/** What the ± stands for. */
export function uncertaintySentence({ devices, energy }: Report): string {
  const components = energy.gpuUncertaintyComponents;
  if (components === undefined || measuredOf(devices).length === 0)
    return energy.modelledJoules === undefined ? '' : MODELLED_UNCERTAINTY;
  const isPartial = components.aliasJoules > 0;
  const unseen = isPartial ? ', load that a part-time sensor could not see' : '';
  return `± is the expanded uncertainty (k = 2, about 95 %) from gain and offset of the sensors${unseen} and the edges of the run.`;
}

/** `timeout 8 s, gpu-lost 3.5 s`, the longest first. */
export const gapsInWords = (gaps: ReportDevice['gapSecondsByReason']): string =>
  Object.entries(gaps)
    .toSorted(([, a], [, b]) => b - a)
    .map(([reason, length]) => `${reason} ${formatDuration(length)}`)
    .join(', ');

/** What `host` says where nobody knows it: a log does not tell where it was recorded. */
const UNKNOWN_HOST = 'unknown';

/** `node7 · `: the host at the head of a line, where it is known. */
export const hostInWords = ({ run }: Report): string =>
  run.host === UNKNOWN_HOST ? '' : `${plain(run.host)} · `;

/** `2 × NVIDIA A100-SXM4-80GB, 1 × …`. */
export function modelsInWords(devices: readonly ReportDevice[]): string {
  const counts = new Map<string, number>();
  for (const { model } of devices) counts.set(model, (counts.get(model) ?? 0) + 1);
  return [...counts].map(([model, count]) => `${count} × ${model}`).join(', ');
}

/** `DEU`, or the cloud region that was named: `gcp:europe-west4 (Eemshaven, NLD)`. */
export const placeInWords = ({ zone, region }: ReportCarbon): string =>
  region === undefined ? zone : `${region.provider}:${region.name} (${region.place}, ${zone})`;

/** `0.37 kWh, -1.20 EUR, 45 g`: what a lever saves, of what is known. */
export const savingsInWords = (
  {
    savedKilowattHours: saved,
    lowSavedKilowattHours: low,
    highSavedKilowattHours: high,
    savedCost,
    savedGrams,
  }: ReportLever,
  currency: string,
): string =>
  [
    saved === undefined ? '' : formatEnergy(fromKilowattHours(saved)),
    low === undefined || high === undefined
      ? ''
      : `from ${formatEnergy(fromKilowattHours(low))} to ${formatEnergy(fromKilowattHours(high))}`,
    savedCost === undefined ? '' : formatMoney(savedCost, currency),
    savedGrams === undefined ? '' : formatMass(savedGrams),
  ]
    .filter((part) => part !== '')
    .join(', ');

/** The price in words: `0.10 USD/kWh (assumed)`, or the tariff and its mean. */
export function priceInWords({
  cost,
}: {
  readonly cost: Pick<Report['cost'], 'tariff' | 'pricePerKilowattHourMean' | 'currency'>;
}): string {
  const { tariff, pricePerKilowattHourMean: mean, currency } = cost;
  const price = mean === undefined ? 'price unknown' : `${priceDigits(mean)} ${currency}/kWh`;
  if (tariff.name === 'flat') return labelled(price, tariff.provenance);
  const file = tariff.name === tariff.source ? '' : ` (${tariff.source})`;
  return labelled(`${price} on average, ${tariff.name}${file}`, tariff.provenance);
}

/** At least the two decimals that prices are written with, and no more than six. */
const priceDigits = (price: number): string =>
  price.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 6 });

/** Who supplies the energy: the run's label `provider`, or the tariff's name where it has one. */
export const supplierOf = ({ run, cost }: Report): string =>
  run.labels['provider'] ?? (cost.tariff.name === 'flat' ? 'not named' : cost.tariff.name);

const SHOWN_MALFORMED = 3;

/** Which file was read, and what of it was not understood; undefined where nothing was read from a file. */
export function inputSentence({ input }: Report): string | undefined {
  if (input === undefined) return undefined;
  const rows = `${formatNumber(input.rows, 0)} ${input.rows === 1 ? 'row' : 'rows'}`;
  if (input.malformedCount === 0) return `Input: ${input.file}, ${rows}.`;
  const shown = input.malformed
    .slice(0, SHOWN_MALFORMED)
    .map(
      ({ file, line, reason }) => `${file === undefined ? '' : `${file} `}line ${line}: ${reason}`,
    );
  const more = input.malformedCount - shown.length;
  const list = [...shown, ...(more > 0 ? [`and ${formatNumber(more, 0)} more`] : [])].join('; ');
  const count = formatNumber(input.malformedCount, 0);
  return `Input: ${input.file}, ${rows}; ${count} ${input.malformedCount === 1 ? 'line' : 'lines'} not understood: ${list}.`;
}

/** What the reader must know, of the run, of its GPUs and of its hosts' parts. */
export const warningsInWords = ({ warnings, devices, hosts = [] }: Report): readonly string[] => [
  ...warnings.map(({ message }) => message),
  ...devices.flatMap((device) => ownWarnings(`GPU ${device.index}`, device)),
  ...hosts.flatMap((host) => ownWarnings(host.model, host)),
];

const ownWarnings = (name: string, { warnings }: ReportDevice): string[] =>
  warnings.map(({ message }) => `${name}: ${message}`);
