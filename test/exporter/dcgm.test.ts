import { expect, test } from 'vitest';

import type { Snapshot } from '../../agent/snapshot.ts';
import { joules, watts } from '../../agent/units.ts';
import { dcgmFamilies } from '../../exporter/dcgm.ts';
import { snapshotExposition } from '../../exporter/registry.ts';
import { someGpu, someSnapshot, someTotals } from './a-snapshot.ts';
import { seriesOf } from './exposition.ts';

const expose = async (snapshot: Snapshot): Promise<Map<string, number>> =>
  seriesOf(await snapshotExposition(() => snapshot, dcgmFamilies('node-1'))());

const valuesByName = (series: Map<string, number>): Record<string, number> =>
  Object.fromEntries([...series].map(([name, value]) => [name.replace(/\{.*/, ''), value]));

test('the dcgm dialect has the names, units and labels that dashboard 12239 reads', async () => {
  const gauges = {
    utilizationRatio: 0.57,
    memoryUsedBytes: 40_960 * 1_048_576,
    temperatureCelsius: 64,
    smClockHertz: 1_410_000_000,
  };
  const totals = someTotals({ energyJoules: joules(1234.5) });
  const gpu = someGpu(3, { gauges, totals, powerWatts: watts(312.25) });
  const series = await expose(someSnapshot({ devices: [gpu] }));
  expect(valuesByName(series)).toEqual({
    DCGM_FI_DEV_GPU_TEMP: 64,
    DCGM_FI_DEV_POWER_USAGE: 312.25,
    DCGM_FI_DEV_SM_CLOCK: 1410,
    DCGM_FI_DEV_GPU_UTIL: 57,
    DCGM_FI_DEV_FB_USED: 40_960,
    DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION: 1_234_500,
  });
  for (const name of series.keys()) {
    const labels = [...name.matchAll(/(\w+)="/g)].map(([, label]) => label);
    expect(labels).toEqual(
      expect.arrayContaining(['gpu', 'UUID', 'pci_bus_id', 'device', 'modelName', 'Hostname']),
    );
    expect(name).toContain('gpu="3"');
    expect(name).toContain('device="nvidia3"');
    expect(name).toContain(`UUID="${gpu.device.uuid}"`);
  }
});

test('the dcgm dialect leaves out what is not known and who is gone', async () => {
  const { powerWatts: _power, ...silent } = someGpu(0, { gauges: {} });
  const gone = someGpu(1, { present: false });
  expect(valuesByName(await expose(someSnapshot({ devices: [silent, gone] })))).toEqual({
    DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION: 1_234_567_500,
  });
});

test('the dcgm dialect calls only boards of NVIDIA’s nvidia', async () => {
  const { device } = someGpu(0);
  const other = someGpu(0, {
    device: { ...device, uuid: 'AMD-79ccd55167a2124a', source: 'hwmon' },
  });
  const [name] = [...(await expose(someSnapshot({ devices: [other] }))).keys()];
  expect(name).toContain('device=""');
});
