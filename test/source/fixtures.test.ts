// The committed fixture is what its model says, and holds the energy that the model knows in closed form.

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

import { describe, expect, test } from 'vitest';

import { logReader } from '../../agent/source/log/read-log.ts';
import {
  SIMULATED_DURATION_SECONDS,
  SIMULATED_GPU_COUNT,
  SIMULATED_SENSOR_PERIOD_SECONDS,
  simulatedEnergyJoules,
  simulatedFirstBoxSeconds,
  simulatedTrainingTrace,
} from '../../fixtures/simulated-training.ts';
import { readAll } from './reading.ts';

const file = resolve(import.meta.dirname, '../../fixtures/simulated-training-4gpu.csv.gz');
if (process.env['WATTMETER_UPDATE_FIXTURES'] === '1') {
  writeFileSync(file, gzipSync(simulatedTrainingTrace(), { level: 9 }));
}

describe('the simulated training trace', () => {
  test('is what its model writes, and small', () => {
    // Packed bytes may differ between versions of zlib; what they hold may not.
    expect(gunzipSync(readFileSync(file)).toString()).toBe(simulatedTrainingTrace());
    expect(statSync(file).size).toBeLessThanOrEqual(300_000);
  });

  test('holds the true energy of each GPU in the boxes of its sensor', async () => {
    const { batches, devices } = await readAll(
      logReader(file).events(new AbortController().signal),
    );
    expect(devices).toHaveLength(SIMULATED_GPU_COUNT);
    expect(SIMULATED_DURATION_SECONDS).toBeGreaterThan(180);

    for (const { uuid, index } of devices) {
      const powers = batches
        .filter((batch) => batch.uuid === uuid)
        .flatMap(({ powerWatts }) => [...(powerWatts.instant ?? [])]);
      const boxes = powers.reduce((sum, watts) => sum + watts * SIMULATED_SENSOR_PERIOD_SECONDS, 0);
      const start = simulatedFirstBoxSeconds(index);
      const end = start + powers.length * SIMULATED_SENSOR_PERIOD_SECONDS;
      const truth = simulatedEnergyJoules(index, start, end);
      // Rounding to 0.01 W, over two thousand rows.
      expect(Math.abs(boxes / truth - 1)).toBeLessThan(1e-6);
      expect(truth).toBeGreaterThan(60_000);
    }
  });
});
