import { describe, expect, test } from 'vitest';

import { raplSource } from '../../agent/source/rapl.ts';
import { FAMILIES } from '../../exporter/families.ts';
import { snapshotExposition } from '../../exporter/registry.ts';
import { viewOf } from '../exporter/agent-view.ts';
import { seriesOf } from '../exporter/exposition.ts';
import { fakeTree } from '../source/fake-tree.ts';
import { eventsOf, steppingClock } from '../source/polled-harness.ts';

const zone = (directory: string, name: string): Record<string, string | number> => ({
  [`class/powercap/${directory}/name`]: name,
  [`class/powercap/${directory}/energy_uj`]: 1_000_000,
  [`class/powercap/${directory}/max_energy_range_uj`]: 262_143_328_850,
});

describe('the parts of a host', () => {
  test('are packages and DRAM by number, as the recording rules read them, beside what is assumed', async () => {
    const root = fakeTree({
      ...zone('intel-rapl:0', 'package-0'),
      ...zone('intel-rapl:0:0', 'dram'),
      ...zone('intel-rapl:1', 'package-1'),
      cpuinfo: 'model name\t: Imagined Xeon 9000',
    });
    const clock = steppingClock();
    const events = await eventsOf(raplSource({ clock, sysfsRoot: root, procRoot: root }), 20);
    const snapshot = await viewOf('rapl', events, { hostWatts: 150 });
    const provenances = snapshot.host?.map((part) => [part.component, part.provenance]);
    expect(provenances?.toSorted()).toEqual([
      ['assumed', 'assumed'],
      ['dram-0', 'measured'],
      ['package-0', 'measured'],
      ['package-1', 'measured'],
    ]);
    const series = seriesOf(await snapshotExposition(() => snapshot, FAMILIES)());
    // --host-watts is known to ±20 % (k = 1), which is assumed as well.
    const energy = series.get('wattmeter_host_energy_joules_total{component="assumed"}') ?? 0;
    expect(energy).toBeGreaterThan(0);
    expect(series.get('wattmeter_host_energy_uncertainty_joules{component="assumed"}')).toBeCloseTo(
      0.4 * energy,
      2,
    );
  });
});
