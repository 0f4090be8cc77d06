import { symlinkSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { hwmonSource } from '../../agent/source/hwmon.ts';
import { fakeTree, writeTree } from './fake-tree.ts';
import { batchesOf, devicesOf, eventsOf, statusesOf, steppingClock } from './polled-harness.ts';

const AMD = 'devices/pci0000:80/0000:83:00.0';

/** An Instinct as amdgpu shows it: hwmon directory, and a link from it to the card. */
function amdTree(): string {
  const root = fakeTree({
    'class/hwmon/hwmon3/name': 'amdgpu',
    'class/hwmon/hwmon3/power1_average': 36_000_000,
    'class/hwmon/hwmon3/power1_cap': 280_000_000,
    'class/hwmon/hwmon3/power1_cap_default': 290_000_000,
    'class/hwmon/hwmon3/temp1_input': 53_000,
    'class/hwmon/hwmon3/freq1_input': 300_000_000,
    [`${AMD}/unique_id`]: '79ccd55167a2124a',
    [`${AMD}/product_name`]: 'AMD INSTINCT MI100',
    [`${AMD}/device`]: '0x738c',
    [`${AMD}/gpu_busy_percent`]: 25,
    [`${AMD}/mem_info_vram_total`]: 34_342_961_152,
    [`${AMD}/mem_info_vram_used`]: 6_750_208,
  });
  symlinkSync(join(root, AMD), join(root, 'class/hwmon/hwmon3/device'));
  return root;
}

const amd = 'AMD-79ccd55167a2124a';

test('an AMD GPU is a device with its identity, limits and memory', async () => {
  const source = hwmonSource({ clock: steppingClock(), sysfsRoot: amdTree() });
  expect(devicesOf(await eventsOf(source, 1))).toEqual([
    {
      uuid: amd,
      index: 0,
      kind: 'gpu',
      model: 'AMD INSTINCT MI100',
      source: 'hwmon',
      pciBusId: '0000:83:00.0',
      powerOrigin: 'measured',
      powerLimitWatts: 280,
      ratedPowerWatts: 290,
      memoryTotalBytes: 34_342_961_152,
    },
  ]);
});

test('its power is read each period and its slow values once a second', async () => {
  const root = amdTree();
  let microwatts = 36_000_000;
  const clock = steppingClock(() => {
    microwatts += 1_000_000;
    writeTree(root, { 'class/hwmon/hwmon3/power1_average': microwatts });
  });
  const source = hwmonSource({ clock, sysfsRoot: root, periodSeconds: 0.25 });
  const batches = batchesOf(await eventsOf(source, 6), amd);
  const powers = batches.map(({ powerWatts }) => powerWatts.draw?.[0] ?? 0);
  expect(powers[0]).toBe(36);
  for (const [index, power] of powers.entries()) {
    if (index > 0) expect(power).toBeGreaterThan(powers[index - 1] ?? Infinity);
  }
  expect(batches.map(({ gauges }) => gauges !== undefined)).toEqual([
    true,
    false,
    false,
    false,
    true,
    false,
  ]);
  expect(batches[0]?.gauges).toEqual({
    utilizationRatio: 0.25,
    memoryUsedBytes: 6_750_208,
    memoryTotalBytes: 34_342_961_152,
    temperatureCelsius: 53,
    smClockHertz: 3e8,
    powerLimitWatts: 280,
  });
});

test('a GPU that sleeps is not read; one that vanishes is a gap, not 0 W', async () => {
  const root = amdTree();
  let round = 0;
  const clock = steppingClock(() => {
    round++;
    if (round === 2) writeTree(root, { [`${AMD}/power/runtime_status`]: 'suspended' });
    if (round < 6) return;
    rmSync(join(root, AMD, 'power/runtime_status'), { force: true });
    rmSync(join(root, 'class/hwmon/hwmon3/power1_average'), { force: true });
  });
  const batches = batchesOf(await eventsOf(hwmonSource({ clock, sysfsRoot: root }), 9), amd);
  const statuses = statusesOf(batches);
  expect(statuses[0]).toBe('ok');
  expect(statuses.at(-1)).toBe('no-data');
  batches.forEach(({ powerWatts }, index) => {
    expect(powerWatts.draw === undefined).toBe(statuses[index] !== 'ok');
  });
});

test('an Intel GPU is read by the counter of its whole card, not that of its package', async () => {
  const root = fakeTree({
    'class/hwmon/hwmon0/name': 'xe',
    'class/hwmon/hwmon0/energy2_input': 5_000_000,
    'class/hwmon/hwmon0/energy2_label': 'pkg',
    'class/hwmon/hwmon0/energy1_input': 7_500_000,
    'class/hwmon/hwmon0/energy1_label': 'card',
    'class/hwmon/hwmon0/power1_rated_max': 150_000_000,
    'class/hwmon/hwmon0/device/device': '0xe20b',
  });
  const events = await eventsOf(hwmonSource({ clock: steppingClock(), sysfsRoot: root }), 1);
  expect(devicesOf(events)).toMatchObject([{ model: 'Intel GPU 0xe20b', ratedPowerWatts: 150 }]);
  const [batch] = events.flatMap((event) => (event.kind === 'batch' ? [event.batch] : []));
  expect(batch?.counterJoules?.[0]).toBe(7.5);
  expect(batch?.powerWatts).toEqual({});
});

test('of Grace only the sockets are counted: rails are in them, the module holds the GPU too', async () => {
  const labels = [
    'Module Power Socket 0',
    'Grace Power Socket 0',
    'CPU Power Socket 0',
    'SysIO Power Socket 0',
  ];
  const root = fakeTree(
    Object.fromEntries(
      labels.flatMap((label, index) => [
        [`class/hwmon/hwmon${index}/name`, 'power_meter'],
        [`class/hwmon/hwmon${index}/power1_average`, 50_000_000 * (index + 1)],
        [`class/hwmon/hwmon${index}/device/power1_oem_info`, label],
      ]),
    ),
  );
  const events = await eventsOf(hwmonSource({ clock: steppingClock(), sysfsRoot: root }), 1);
  expect(devicesOf(events)).toMatchObject([
    { uuid: 'grace-0', kind: 'host', model: 'Grace CPU 0' },
  ]);
  expect(batchesOf(events, 'grace-0')[0]?.powerWatts.draw?.[0]).toBe(100);
});

test('a meter of the whole machine is left out with a warning, unless it is asked for', async () => {
  const root = amdTree();
  writeTree(root, {
    'class/hwmon/hwmon9/name': 'power_meter',
    'class/hwmon/hwmon9/power1_average': 900_000_000,
  });
  const without = await eventsOf(hwmonSource({ clock: steppingClock(), sysfsRoot: root }), 1);
  expect(devicesOf(without)).toMatchObject([{ uuid: amd }]);
  expect(without).toContainEqual({
    kind: 'warning',
    warning: expect.objectContaining({ code: 'machine-meter-left-out' }) as unknown,
  });
  const options = { clock: steppingClock(), sysfsRoot: root, countsMachineMeters: true };
  const counted = await eventsOf(hwmonSource(options), 1);
  expect(devicesOf(counted)).toMatchObject([{ uuid: amd }, { kind: 'host' }]);
});

test('a machine without such a sensor says what is missing', async () => {
  const root = fakeTree({ 'class/hwmon/hwmon0/name': 'coretemp' });
  mkdirSync(join(root, 'class/hwmon/hwmon1'));
  const source = hwmonSource({ clock: steppingClock(), sysfsRoot: root });
  await expect(eventsOf(source, 1)).rejects.toMatchObject({
    fate: 'fatal',
    reason: 'no-sensor',
    message: expect.stringMatching(/amdgpu/) as string,
  });
});
