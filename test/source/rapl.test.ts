import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { raplSource, WrappingCounter } from '../../agent/source/rapl.ts';
import { instant } from '../../agent/units.ts';
import { fakeTree, writeTree } from './fake-tree.ts';
import { batchesOf, devicesOf, eventsOf, statusesOf, steppingClock } from './polled-harness.ts';

const RANGE = 262_143_328_850;

/** Two sockets with everything that powercap shows beside what is counted. */
const tree = (): string =>
  fakeTree({
    ...zone('intel-rapl:0', 'package-0', 1_000_000),
    ...zone('intel-rapl:0:0', 'core', 500_000),
    ...zone('intel-rapl:0:1', 'dram', 300_000),
    ...zone('intel-rapl:1', 'package-1', 2_000_000),
    ...zone('intel-rapl:2', 'psys', 9_000_000),
    ...zone('intel-rapl-mmio:0', 'package-0', 1_000_000),
    cpuinfo: 'processor\t: 0\nmodel name\t: Imagined Xeon 9000',
  });

const zone = (
  directory: string,
  name: string,
  energy: number,
): Record<string, string | number> => ({
  [`class/powercap/${directory}/name`]: name,
  [`class/powercap/${directory}/energy_uj`]: energy,
  [`class/powercap/${directory}/max_energy_range_uj`]: RANGE,
});

test('packages and their DRAM are the host; cores, psys and the second view of a package are not', async () => {
  const root = tree();
  const source = raplSource({ clock: steppingClock(), sysfsRoot: root, procRoot: root });
  const events = await eventsOf(source, 1);
  expect(devicesOf(events)).toMatchObject([
    { uuid: 'rapl-package-0', kind: 'host', model: 'Imagined Xeon 9000', source: 'rapl' },
    { uuid: 'rapl-dram-0', kind: 'host', model: 'DRAM of package 0' },
    { uuid: 'rapl-package-1', kind: 'host', index: 1 },
  ]);
  expect(batchesOf(events, 'rapl-dram-0')[0]?.counterJoules?.[0]).toBe(0.3);
});

test('a counter that wraps goes on', async () => {
  const root = tree();
  const values = [RANGE - 30_000_000, RANGE - 10_000_000, 10_000_000, 30_000_000];
  let round = 0;
  const write = (): void => {
    const energy = values[Math.min(round++, values.length - 1)] ?? 0;
    writeTree(root, { 'class/powercap/intel-rapl:0/energy_uj': energy });
  };
  write();
  const seen: number[] = [];
  const clock = steppingClock();
  const source = raplSource({ clock, sysfsRoot: root, procRoot: root });
  const abort = new AbortController();
  for await (const event of source.events(abort.signal)) {
    if (event.kind !== 'batch' || event.batch.uuid !== 'rapl-package-0') continue;
    seen.push(event.batch.counterJoules?.[0] ?? Number.NaN);
    write();
    if (seen.length === values.length) abort.abort();
  }
  const steps = seen.slice(1).map((value, index) => value - (seen[index] ?? 0));
  steps.forEach((step) => expect(step).toBeCloseTo(20, 6));
});

test('unwrapped differences are the true ones, whatever the range and the steps', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 10_000_000_000, max: 300_000_000_000 }),
      fc.array(fc.integer({ min: 0, max: 3_000_000_000 }), { minLength: 1, maxLength: 200 }),
      (range, steps) => {
        const counter = new WrappingCounter(range);
        let truth = 0;
        let at = 0;
        let before = counter.add(0, instant(0));
        for (const step of steps) {
          truth += step;
          at += 1;
          const now = counter.add(truth % range, instant(at));
          expect(now - before).toBe(step);
          before = now;
        }
      },
    ),
    { seed: 20261123 },
  );
});

test('a counter that began anew is a restart, not a wrap of a quarter of a megajoule', () => {
  const counter = new WrappingCounter(RANGE);
  counter.add(100_000_000_000, instant(0));
  expect(counter.add(50_000, instant(1))).toBe(50_000);
});

test('a zone that cannot be read any more is a gap by its reason', async () => {
  const root = tree();
  const clock = steppingClock(() =>
    writeTree(root, { 'class/powercap/intel-rapl:1/energy_uj': 'nonsense' }),
  );
  const source = raplSource({ clock, sysfsRoot: root, procRoot: root });
  const statuses = statusesOf(batchesOf(await eventsOf(source, 4), 'rapl-package-1'));
  expect(statuses.at(-1)).toBe('malformed');
});

test('counters that only root may read are refused with the mend', async () => {
  const root = tree();
  execFileSync('chmod', ['-R', 'a+rX', root]);
  for (const name of ['intel-rapl:0', 'intel-rapl:0:1', 'intel-rapl:1']) {
    chmodSync(join(root, 'class/powercap', name, 'energy_uj'), 0);
  }
  const source = raplSource({ clock: steppingClock(), sysfsRoot: root, procRoot: root });
  // Nothing is forbidden to root: as nobody, then.
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    await expect(eventsOf(source, 1)).rejects.toMatchObject({
      fate: 'fatal',
      reason: 'no-permission',
      message: expect.stringMatching(/permission denied.*CAP_DAC_READ_SEARCH/) as string,
    });
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
});

test('a machine without RAPL says so', async () => {
  const source = raplSource({ clock: steppingClock(), sysfsRoot: '/nonexistent' });
  await expect(eventsOf(source, 1)).rejects.toMatchObject({ fate: 'fatal', reason: 'no-sensor' });
});
