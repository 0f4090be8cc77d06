// What a reader of a device's energy must know about its sensor.

import type { Warning } from '../model.ts';
import { FULL_COVERAGE, type SensorModel } from './sensor.ts';

interface Observed {
  readonly sensor: SensorModel;
  readonly samplingSeconds: number;
  readonly counterUsed: boolean;
  readonly longestUnchangedSeconds: number;
  /** How often the value changed. */
  readonly refreshes: number;
  readonly measured: boolean;
}

const UNCHANGED_SECONDS = 120;
const LIVELY_REFRESHES = 20;

/** Warnings about what the power readings can and cannot show. */
export function sensorWarnings(observed: Observed): Warning[] {
  const { sensor, samplingSeconds, counterUsed } = observed;
  if (sensor.field === undefined || !observed.measured) return [];
  const warnings: Warning[] = [];
  const percent = (ratio: number): string => `${(100 * ratio).toFixed(0)} %`;
  if (sensor.coverage < FULL_COVERAGE && !counterUsed) {
    warnings.push({
      code: 'part-time-sensor',
      message: `The power sensor sees ${percent(sensor.coverage)} of the time (window ${milliseconds(sensor.windowSeconds)}, period ${milliseconds(sensor.periodSeconds)}); what it misses is bounded in the uncertainty.`,
    });
  }
  // Reading more often than the sensor refreshes shows nothing new.
  const worthwhileSeconds = Math.max(sensor.windowSeconds, sensor.periodSeconds);
  if (sensor.windowSeconds > 0 && samplingSeconds > 1.5 * worthwhileSeconds && !counterUsed) {
    warnings.push({
      code: 'sparse-readings',
      message: `Readings every ${milliseconds(samplingSeconds)}, each a mean over ${milliseconds(sensor.windowSeconds)}, see ${percent(sensor.windowSeconds / samplingSeconds)} of the time; a reading every ${milliseconds(worthwhileSeconds)} would see ${percent(sensor.coverage)}.`,
    });
  }
  if (
    observed.longestUnchangedSeconds >= UNCHANGED_SECONDS &&
    observed.refreshes >= LIVELY_REFRESHES
  ) {
    warnings.push({
      code: 'power-unchanged',
      message: `The power reading stood at one value for ${observed.longestUnchangedSeconds.toFixed(0)} s and was taken at its word; the sensor may have been stuck.`,
    });
  }
  return warnings;
}

const milliseconds = (duration: number): string => `${(1e3 * duration).toFixed(0)} ms`;
