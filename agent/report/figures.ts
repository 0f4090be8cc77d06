// The report's main figures in words, one a line, each with what it stands on. Text, HTML and Markdown show the same.

import {
  formatDuration,
  formatEnergy,
  formatMass,
  formatNumber,
  formatPercent,
  formatPower,
  formatRatio,
  formatValue,
} from '../display/quantity.ts';
import { idleRows, moneyRows, perRows } from './bill-figures.ts';
import { energyAndMass, type Figure } from './figure-row.ts';
import { givenRows } from './given-figures.ts';
import type { Report } from './report.ts';
import { uncertaintyOfAll } from './total.ts';
import { energyInWords, gapsInWords, labelled, onEnergy, placeInWords } from './words.ts';

/** The figures in the order in which a reader asks for them. */
export function figuresOf(report: Report): Figure[] {
  return [
    ...energyRows(report),
    ...moneyRows(report),
    ...idleRows(report),
    ...carbonRows(report),
    ...besideRows(report),
    ...givenRows(report),
    ...perRows(report),
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
    const modelled = devices.filter(({ method }) => method === 'modelled');
    const value = formatEnergy(energy.modelledJoules, uncertaintyOfAll(modelled));
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
  const note = onEnergy(labelled(`IT energy × PUE ${formatRatio(pue)}`, provenance), { energy });
  return [...rows, { label: 'E_compute', value, note }];
}

function carbonRows(report: Report): Figure[] {
  const { carbon } = report;
  if ('missing' in carbon) return [{ label: 'Carbon', value: `not known: ${carbon.missing}` }];
  const { intensityGramsPerKilowattHourMean: intensity, marketBasedGrams } = carbon;
  const mean = intensity === undefined ? '' : ` ${formatValue(intensity)} g/kWh`;
  const basis = labelled(`location-based, ${placeInWords(carbon)}${mean}`, carbon.provenance);
  const rows: Figure[] = [
    {
      label: 'Carbon (CO2e)',
      value: formatMass(carbon.locationBasedGrams, carbon.uncertaintyGrams),
      note: onEnergy(`${basis}; ${carbon.dataset}: ${carbon.vintage}`, report),
    },
  ];
  if (marketBasedGrams !== undefined) {
    const note = `market-based, ${carbon.marketBasedMethod ?? ''}`;
    rows.push({ label: '  by contract', value: formatMass(marketBasedGrams), note });
  }
  return rows;
}

function besideRows({ embodied, water, data }: Report): Figure[] {
  const rows: Figure[] = [];
  if (embodied !== undefined) {
    const note = labelled(embodied.source, embodied.provenance);
    rows.push({ label: 'Embodied (CO2e)', value: formatMass(embodied.embodiedGrams), note });
  }
  if (water !== undefined) {
    const value = `${formatValue(water.waterLitres)} L`;
    rows.push({ label: 'Water', value, note: labelled(water.source, water.provenance) });
  }
  if (data !== undefined) {
    const k = data.k === undefined ? '' : `k ${formatNumber(data.k, 3)}; `;
    const note = labelled(`${k}${data.method ?? 'transfer and storage'}`, data.provenance);
    const value = energyAndMass(data.energyKilowattHours, data.locationBasedGrams);
    rows.push({ label: 'E_data', value, note });
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
      note: onEnergy(`${scope}energy ÷ observed time`, { energy }),
    },
  ];
  if (k === undefined || ratedPowerWatts === undefined) return rows;
  return [
    ...rows,
    {
      label: 'k_compute',
      value: formatNumber(k, 3),
      note: `measured: E_compute = k·T·P, P ${formatPower(ratedPowerWatts)} rated${withinCompute(energy)}`,
    },
  ];
}

function coverageRows({ energy, devices }: Report): Figure[] {
  const { gapSeconds, gapSecondsByReason, bridgedSeconds, gapEstimateJoules } = energy;
  if (energy.observedSeconds + gapSeconds === 0) return [];
  const reasons = gapsInWords(gapSecondsByReason);
  const bridged =
    bridgedSeconds === undefined
      ? ''
      : `; ${formatDuration(bridgedSeconds)} bridged by the counter`;
  const whose = devices.length > 1 ? 'gaps, all devices together' : 'gaps';
  const rows: Figure[] = [
    {
      label: 'Coverage',
      value: formatPercent(energy.coverageRatio),
      note: reasons === '' ? 'no gap' : `${whose}: ${reasons}${bridged}`,
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
