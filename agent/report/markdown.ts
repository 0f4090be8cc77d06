// The report for a paper: a paragraph that states what was measured and how, and a table of the figures.

import { plain } from '../display/line.ts';
import {
  formatDuration,
  formatEnergy,
  formatMass,
  formatMoney,
  formatPercent,
  formatRatio,
  formatValue,
} from '../display/quantity.ts';
import { figuresOf } from './figures.ts';
import type { Report } from './report.ts';
import {
  inputSentence,
  labelled,
  methodSentence,
  modelsInWords,
  placeInWords,
  priceInWords,
  uncertaintySentence,
  warningsInWords,
} from './words.ts';

/** Markdown takes these for markup. */
const escaped = (text: string): string => plain(text).replaceAll(/[\\`*_{}[\]<>|#~]/g, '\\$&');

function energySentence({ energy, run, devices, wattmeterVersion }: Report): string {
  const hardware = `${escaped(modelsInWords(devices))} over ${formatDuration(run.durationSeconds)}`;
  if (energy.gpuJoules === undefined) {
    return energy.modelledJoules === undefined
      ? `The energy of this run was not measured (Wattmeter ${wattmeterVersion}).`
      : `The energy of ${hardware} was modelled, not measured: ${formatEnergy(energy.modelledJoules)} (Wattmeter ${wattmeterVersion}).`;
  }
  return (
    `We measured ${formatEnergy(energy.gpuJoules, energy.gpuUncertaintyJoules)} of GPU energy on ${hardware} ` +
    `(Wattmeter ${wattmeterVersion}; coverage ${formatPercent(energy.coverageRatio)}).`
  );
}

function facilitySentence(report: Report): string {
  const { energy, cost, carbon } = report;
  if (energy.facilityJoules === undefined || energy.facilityJoules === 0) return '';
  const { powerUsageEffectiveness: pue, powerUsageEffectivenessProvenance: provenance } = energy;
  const host =
    energy.hostJoules === undefined
      ? ''
      : ` and ${formatEnergy(energy.hostJoules)} of host energy (${energy.hostProvenance ?? 'assumed'})`;
  const bill =
    cost.energyCost === undefined
      ? ''
      : `, which cost ${formatMoney(cost.energyCost, cost.currency, cost.uncertaintyCost)} at ${priceInWords(report)}`;
  const facility = formatEnergy(energy.facilityJoules);
  const base = `With ${labelled(`a PUE of ${formatRatio(pue)}`, provenance)}${host} this is ${facility}${bill}.`;
  if ('missing' in carbon) return `${base} No carbon figure is given: ${escaped(carbon.missing)}.`;
  const grams = formatMass(carbon.locationBasedGrams, carbon.uncertaintyGrams);
  const mean = carbon.intensityGramsPerKilowattHourMean;
  const intensity = mean === undefined ? '' : ` at ${formatValue(mean)} g/kWh`;
  return (
    `${base} Location-based emissions are ${grams} CO₂e${intensity} ` +
    `(${escaped(`${placeInWords(carbon)}; ${carbon.dataset}; ${carbon.vintage}`)}).`
  );
}

/** A heading, the paragraph, and the table. */
export function formatMarkdown(report: Report): string {
  const { run } = report;
  const paragraph = [
    energySentence(report),
    facilitySentence(report),
    methodSentence(report.devices),
    uncertaintySentence(report),
  ].filter((sentence) => sentence !== '');
  const table = [
    '| figure | value | basis |',
    '|---|---|---|',
    ...figuresOf(report).map(
      ({ label, value, note = '' }) =>
        `| ${escaped(label)} | ${escaped(value)} | ${escaped(note)} |`,
    ),
  ];
  const warnings = warningsInWords(report).map((message) => `- ${escaped(message)}`);
  const input = inputSentence(report);
  return `${[
    `## Energy of ${escaped(run.name ?? run.id)}`,
    paragraph.join(' '),
    table.join('\n'),
    ...(input === undefined ? [] : [escaped(input)]),
    ...(warnings.length > 0 ? [`Warnings:\n\n${warnings.join('\n')}`] : []),
  ].join('\n\n')}\n`;
}
