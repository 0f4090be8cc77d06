// RAPL through Linux powercap: energy of CPU packages and their DRAM, for the host's share of the bill. Counters in µJ
// that wrap at `max_energy_range_uj`, readable by root alone on most systems since CVE-2020-8694.

import { join } from 'node:path';

import type { Clock } from '../clock.ts';
import type { Device } from '../model.ts';
import { fromMicrojoules, type Instant } from '../units.ts';
import { type PolledReading, polledSource } from './polled.ts';
import { type Source, SourceError } from './source.ts';
import { listNumbered, readNumber, readText } from './sysfs.ts';

/** How RAPL is read. */
export interface RaplOptions {
  readonly clock: Clock;
  readonly periodSeconds?: number;
  /** `/sys`, or a stand-in. */
  readonly sysfsRoot?: string;
  /** `/proc`, or a stand-in: for the CPU's name. */
  readonly procRoot?: string;
}

/** A counter to read. */
interface Zone {
  readonly device: Device;
  readonly path: string;
  readonly counter: WrappingCounter;
}

const PERIOD_SECONDS = 0.5;
// `psys` is the whole platform, `core` and `uncore` are parts of the package, `intel-rapl-mmio:*` is the package again:
// only packages and DRAM add up to what the host's processors and memory take.
const ZONE_DIRECTORY = /^intel-rapl:\d+(?::\d+)?$/;
const PACKAGE = /^package-(\d+)/;
// No package of today takes this much: a smaller counter that would mean it did not wrap, it began anew.
const IMPLAUSIBLE_WATTS = 5_000;

/** Makes a counter that wraps at `range` (µJ) go on; after a restart it begins anew, as counters may. */
export class WrappingCounter {
  readonly #range: number;
  #last: { readonly microjoules: number; readonly at: Instant } | undefined;
  #carried = 0;

  constructor(range: number) {
    this.#range = range;
  }

  /** The counter without its wraps, in µJ; only differences mean anything. */
  add(microjoules: number, at: Instant): number {
    const last = this.#last;
    this.#last = { microjoules, at };
    if (last !== undefined && microjoules < last.microjoules) {
      const wrapped = this.#range - last.microjoules + microjoules;
      const plausible = wrapped / 1e6 <= IMPLAUSIBLE_WATTS * Math.max(at - last.at, 1);
      this.#carried = plausible ? this.#carried + this.#range : 0;
    }
    return this.#carried + microjoules;
  }
}

async function cpuModel(procRoot: string): Promise<string> {
  const text = (await readText(join(procRoot, 'cpuinfo'))) ?? '';
  return /^model name\s*:\s*(.+)$/m.exec(text)?.[1] ?? 'CPU';
}

// Zones stand side by side in the class directory: `intel-rapl:0` is a package, `intel-rapl:0:1` a part of it.
async function zoneOf(powercap: string, zone: string, model: string): Promise<Zone | undefined> {
  const directory = join(powercap, zone);
  const name = (await readText(join(directory, 'name'))) ?? '';
  const parent = /^(intel-rapl:\d+):\d+$/.exec(zone)?.[1];
  const owner = parent === undefined ? name : await readText(join(powercap, parent, 'name'));
  const socket = PACKAGE.exec(owner ?? '')?.[1];
  const isDram = parent !== undefined && name === 'dram';
  if (socket === undefined || (parent !== undefined && !isDram)) return undefined;
  const range = await readNumber(join(directory, 'max_energy_range_uj'));
  if (range.kind !== 'value' || range.value <= 0) return undefined;
  const component = isDram ? `dram-${socket}` : `package-${socket}`;
  return {
    path: join(directory, 'energy_uj'),
    counter: new WrappingCounter(range.value),
    device: {
      uuid: `rapl-${component}`,
      index: Number(socket),
      kind: 'host',
      model: isDram ? `DRAM of package ${socket}` : model,
      source: 'rapl',
      powerOrigin: 'measured',
    },
  };
}

async function findZones(powercap: string, procRoot: string): Promise<Zone[]> {
  const model = await cpuModel(procRoot);
  const names = (await listNumbered(powercap)).filter((name) => ZONE_DIRECTORY.test(name));
  const zones = await Promise.all(names.map((name) => zoneOf(powercap, name, model)));
  return zones.filter((zone) => zone !== undefined);
}

const GRANT =
  'Run as root, give the service CAP_DAC_READ_SEARCH, or let a group read it (udev: `SUBSYSTEM=="powercap", RUN+="/bin/chgrp -R wattmeter /sys%p", RUN+="/bin/chmod -R g+r /sys%p"`)';

async function readZone(zone: Zone, now: Instant): Promise<PolledReading> {
  const { uuid } = zone.device;
  const answer = await readNumber(zone.path);
  if (answer.kind === 'failed') return { uuid, status: answer.status };
  const counterJoules = fromMicrojoules(zone.counter.add(answer.value, now));
  return { uuid, status: 'ok', counterJoules };
}

/**
 * The RAPL source: one host device per CPU package and per DRAM domain. Its `events` throws `fatal`: reason `no-sensor`
 * where there is no RAPL, `no-permission` (with the mend) where none of it may be read.
 */
export function raplSource(options: RaplOptions): Source {
  const powercap = join(options.sysfsRoot ?? '/sys', 'class/powercap');
  let zones: readonly Zone[] = [];
  return polledSource(
    {
      kind: 'rapl',
      periodSeconds: options.periodSeconds ?? PERIOD_SECONDS,
      async open() {
        zones = await findZones(powercap, options.procRoot ?? '/proc');
        const [first] = zones;
        if (first === undefined) {
          const message = `No CPU energy counter in ${powercap}. Is the kernel module intel_rapl_msr loaded (virtual machines have none)?`;
          throw new SourceError(message, { fate: 'fatal', reason: 'no-sensor' });
        }
        const answers = await Promise.all(zones.map(({ path }) => readNumber(path)));
        const denied = answers.every(
          (answer) => answer.kind === 'failed' && answer.status === 'no-permission',
        );
        if (denied) {
          const message = `Cannot read ${first.path}: permission denied. ${GRANT}.`;
          throw new SourceError(message, { fate: 'fatal', reason: 'no-permission' });
        }
        return { devices: zones.map(({ device }) => device), warnings: [] };
      },
      read: (now) => Promise.all(zones.map((zone) => readZone(zone, now))),
      close: () => Promise.resolve(),
    },
    options.clock,
  );
}
