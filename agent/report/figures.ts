// The report's main figures in words, one a line, each with what it stands on. Text, HTML and Markdown show the same.

import { clip, plain } from '../display/line.ts';
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
import type { Report } from './report.ts';
import { energyInWords, gapsInWords, labelled, priceInWords } from './words.ts';

const LABEL_WIDTH = 16;

/** One figure; the note says by what, of what or why. */
export interface Figure {
  readonly label: string;
  readonly value: string;
  readonly note?: string;
}

/** The figures in the order in which a reader asks for them. */
export function figuresOf(report: Report): Figure[] {
  return [
    ...energyRows(report),
    ...moneyRows(report),
    ...carbonRows(report),
    ...besideRows(report),
    ...computeRows(report),
    ...coverageRows(report),
  ];
}

function energyRows({ energy, devices }: Report): Figure[] {
  const rows: Figure[] = [];
  const isMeasured = energy.gpuJoules !== undefined;
  if (isMeasured || energy.modelledJoules === undefined) {
    const isLone = devices.length === 1;
    rows.push({
      label: 'GPU energy',
      value: energyInWords(energy.gpuJoules, energy.gpuUncertaintyJoules),
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
  if (energy.facilityJoules === undefined) return rows;
  const value = formatEnergy(energy.facilityJoules);
  const note = labelled(`IT energy × PUE ${formatRatio(pue)}`, provenance);
  return [...rows, { label: 'E_compute', value, note }];
}

function moneyRows(report: Report): Figure[] {
  const { cost } = report;
  const { currency, energyCost, creditCost } = cost;
  if (energyCost === undefined) {
    const why = `not known: ${cost.missing ?? 'no price'}`;
    return [{ label: 'Energy cost', value: why }, ...otherCostRows(report)];
  }
  const rows: Figure[] = [
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

const otherCostRows = ({ cost }: Report): Figure[] =>
  (cost.otherCosts ?? []).map(({ name, amountCost, provenance, source, includesEnergy }) => ({
    label: clip(plain(name), LABEL_WIDTH),
    value: formatMoney(amountCost, cost.currency),
    note: labelled(`${source}${includesEnergy ? '; includes energy' : ''}`, provenance),
  }));

function carbonRows({ carbon }: Report): Figure[] {
  if ('missing' in carbon) return [{ label: 'Carbon', value: `not known: ${carbon.missing}` }];
  const { intensityGramsPerKilowattHourMean: intensity, marketBasedGrams } = carbon;
  const mean = intensity === undefined ? '' : ` ${formatValue(intensity)} g/kWh`;
  const basis = labelled(`location-based, ${carbon.zone}${mean}`, carbon.provenance);
  const rows: Figure[] = [
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

function besideRows({ embodied, water, social, data }: Report): Figure[] {
  const rows: Figure[] = [];
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

/** What E_compute holds beside the GPUs' energy, so that nobody takes k for mean ÷ rated power. */
function withinCompute({ hostJoules, powerUsageEffectiveness: pue }: Report['energy']): string {
  const parts = [
    hostJoules === undefined ? '' : 'host',
    pue === 1 ? '' : `PUE ${formatRatio(pue)}`,
  ].filter((part) => part !== '');
  return parts.length === 0 ? '' : `; E_compute holds ${parts.join(' and ')}`;
}

function computeRows({ compute, energy }: Report): Figure[] {
  const { powerMeanWatts, ratedPowerWatts, k } = compute;
  if (powerMeanWatts === undefined) return [];
  const scope = energy.hostJoules === undefined ? '' : 'GPUs and host, ';
  const rows: Figure[] = [
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
      note: `measured, of ${formatPower(ratedPowerWatts)} rated${withinCompute(energy)}`,
    },
  ];
}

function coverageRows({ energy }: Report): Figure[] {
  const { gapSeconds, gapSecondsByReason, bridgedSeconds, gapEstimateJoules } = energy;
  if (energy.observedSeconds + gapSeconds === 0) return [];
  const reasons = gapsInWords(gapSecondsByReason);
  const bridged =
    bridgedSeconds === undefined
      ? ''
      : `; ${formatDuration(bridgedSeconds)} bridged by the counter`;
  const rows: Figure[] = [
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
