// The report as the energy fields that the EU AI Act asks of a general-purpose model's documentation: Regulation (EU)
// 2024/1689, Annex XI section 1 (2)(d) and (e). YAML, to be copied into the Commission's form.

import { Decimal } from 'decimal.js';
import { stringify } from 'yaml';

import { sum } from './figure.ts';
import { present } from './present.ts';
import type { Report } from './report.ts';
import { methodSentence, modelsInWords } from './words.ts';

const JOULES_PER_MEGAWATT_HOUR = 3.6e9;
const SECONDS_PER_DAY = 86_400;
const SIGNIFICANT_DIGITS = 2;

/** Two significant digits in plain decimal, zeros included: the precision that the form asks for. */
function twoDigits(value: number): string {
  const rounded = new Decimal(value).toSignificantDigits(SIGNIFICANT_DIGITS);
  return rounded.toFixed(Math.max(0, SIGNIFICANT_DIGITS - 1 - rounded.e));
}

function basisOf({ energy }: Report): string {
  if (energy.observedSeconds === 0) return 'estimated';
  const rests = [
    ...(energy.modelledJoules === undefined ? [] : ['accelerators without a sensor']),
    ...(energy.hostProvenance === undefined || energy.hostProvenance === 'measured'
      ? []
      : ['host']),
    ...(energy.powerUsageEffectivenessProvenance === 'assumed' ? ['PUE'] : []),
    ...(energy.gapSeconds > 0
      ? [`gaps of ${twoDigits(energy.gapSeconds)} GPU-seconds left out`]
      : []),
  ];
  return rests.length === 0 ? 'measured' : `measured; not measured: ${rests.join(', ')}`;
}

/** Energy in MWh to two significant digits, its basis and method, training time and hardware-days. */
export function formatEuAiAct(report: Report): string {
  const { energy, run, devices } = report;
  const hardwareSeconds = sum(
    devices.map(({ observedSeconds, gapSeconds }) => observedSeconds + gapSeconds),
  );
  const { facilityJoules } = energy;
  const isKnown = energy.gpuJoules !== undefined || energy.modelledJoules !== undefined;
  return stringify(
    present({
      model: run.name ?? run.id,
      training_energy_megawatt_hours:
        isKnown && facilityJoules !== undefined
          ? twoDigits(facilityJoules / JOULES_PER_MEGAWATT_HOUR)
          : undefined,
      measured_or_estimated: basisOf(report),
      method:
        `${methodSentence(devices)} Multiplied by a power usage effectiveness of ` +
        `${energy.powerUsageEffectiveness} (${energy.powerUsageEffectivenessProvenance}).`,
      training_start: run.startTime,
      training_end: run.endTime,
      training_time_days: twoDigits(run.durationSeconds / SECONDS_PER_DAY),
      hardware_days: twoDigits(hardwareSeconds / SECONDS_PER_DAY),
      hardware: modelsInWords(devices),
    }),
    { lineWidth: 100 },
  );
}
