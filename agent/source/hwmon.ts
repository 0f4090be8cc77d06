// Linux hwmon: AMD and Intel GPUs, Grace CPUs, machine power meters. Only sensors whose scope is known are counted: a
// rail or a whole-machine meter added to what it contains would count joules twice.
// Units: power µW, energy µJ, temperature m°C (Documentation/hwmon/sysfs-interface.rst).

import { basename, join } from 'node:path';

import type { Clock } from '../clock.ts';
import type { Device, DeviceKind, Gauges, Warning } from '../model.ts';
import { fromMicrojoules, fromMicrowatts, fromPercent } from '../units.ts';
import { type PolledReading, polledSource } from './polled.ts';
import { type Source, SourceError } from './source.ts';
import { listNumbered, readNumber, readOptional, readText, resolveLink } from './sysfs.ts';

/** How hwmon is read. */
export interface HwmonOptions {
  readonly clock: Clock;
  readonly periodSeconds?: number;
  /** `/sys`, or a stand-in. */
  readonly sysfsRoot?: string;
  /** Count meters of the whole machine too. They contain the GPUs: only where no GPU is measured otherwise. */
  readonly countsMachineMeters?: boolean;
}

/** A sensor to read. */
interface Channel {
  readonly device: Device;
  readonly powerPath: string | undefined;
  readonly energyPath: string | undefined;
  /** Of a GPU: where its slow values are. */
  readonly gaugePaths: { readonly hwmon: string; readonly card: string } | undefined;
  readonly runtimeStatusPath: string;
}

const PERIOD_SECONDS = 0.1;
const GAUGE_SECONDS = 1;
const GPU_DRIVERS: Readonly<Record<string, string>> = { amdgpu: 'AMD', i915: 'Intel', xe: 'Intel' };
const POWER_METER = 'power_meter';
// Grace: the socket's total contains its CPU and SysIO rails; the module's contains the GPU too (NVIDIA Grace
// performance tuning guide, "Power Telemetry").
const GRACE_SOCKET = /^Grace Power Socket (\d+)/;
const GRACE_PART = /^(?:CPU|SysIO|Module) Power Socket \d+/;

const firstReadable = async (paths: readonly string[]): Promise<string | undefined> => {
  for (const path of paths) {
    const answer = await readNumber(path);
    // A sensor that is busy or asleep now exists all the same.
    if (answer.kind === 'value' || answer.status !== 'no-data') return path;
  }
  return undefined;
};

const exists = async (path: string): Promise<boolean> => (await readText(path)) !== undefined;

/** Which energy counter is the whole card: Intel labels `card` and `pkg`, and the package is part of the card. */
async function energyPathOf(hwmon: string): Promise<string | undefined> {
  const names = await listNumbered(hwmon);
  const inputs = names.filter((name) => /^energy\d+_input$/.test(name));
  for (const input of inputs) {
    const label = await readText(join(hwmon, input.replace('_input', '_label')));
    if (label === 'card') return join(hwmon, input);
  }
  const [first] = inputs;
  return first === undefined ? undefined : join(hwmon, first);
}

async function gpuDevice(
  hwmon: string,
  card: string,
  vendor: string,
  index: number,
): Promise<Device> {
  const address = basename(card);
  const unique = await readText(join(card, 'unique_id'));
  const product = await readText(join(card, 'product_name'));
  const deviceId = await readText(join(card, 'device'));
  const cap = await readOptional(join(hwmon, 'power1_cap'));
  const limit = cap ?? (await readOptional(join(hwmon, 'power1_max')));
  const byDefault = await readOptional(join(hwmon, 'power1_cap_default'));
  const rated = byDefault ?? (await readOptional(join(hwmon, 'power1_rated_max')));
  const memory = await readOptional(join(card, 'mem_info_vram_total'));
  return {
    uuid: unique === undefined || unique === '' ? `PCI-${address}` : `${vendor}-${unique}`,
    index,
    kind: 'gpu',
    model:
      product === undefined || product === '' ? `${vendor} GPU ${deviceId ?? ''}`.trim() : product,
    source: 'hwmon',
    pciBusId: address,
    powerOrigin: 'measured',
    ...(limit === undefined ? {} : { powerLimitWatts: fromMicrowatts(limit) }),
    ...(rated === undefined ? {} : { ratedPowerWatts: fromMicrowatts(rated) }),
    ...(memory === undefined ? {} : { memoryTotalBytes: memory }),
  };
}

async function gpuChannel(hwmon: string, vendor: string, index: number): Promise<Channel[]> {
  const card = (await resolveLink(join(hwmon, 'device'))) ?? hwmon;
  const candidates = ['power1_average', 'power1_input'].map((name) => join(hwmon, name));
  const powerPath = await firstReadable(candidates);
  const energyPath = await energyPathOf(hwmon);
  if (powerPath === undefined && energyPath === undefined) return [];
  return [
    {
      device: await gpuDevice(hwmon, card, vendor, index),
      powerPath,
      energyPath,
      gaugePaths: { hwmon, card },
      runtimeStatusPath: join(card, 'power/runtime_status'),
    },
  ];
}

function hostChannel(hwmon: string, uuid: string, model: string, kind: DeviceKind): Channel {
  return {
    device: { uuid, index: 0, kind, model, source: 'hwmon', powerOrigin: 'measured' },
    powerPath: join(hwmon, 'power1_average'),
    energyPath: undefined,
    gaugePaths: undefined,
    runtimeStatusPath: join(hwmon, 'device/power/runtime_status'),
  };
}

interface Found {
  readonly channels: readonly Channel[];
  readonly warnings: readonly Warning[];
}

async function meterChannel(hwmon: string, counts: boolean): Promise<Found> {
  const nothing: Found = { channels: [], warnings: [] };
  if (!(await exists(join(hwmon, 'power1_average')))) return nothing;
  const label = await readText(join(hwmon, 'device/power1_oem_info'));
  const socket = GRACE_SOCKET.exec(label ?? '')?.[1];
  if (socket !== undefined) {
    const name = `grace-${socket}`;
    return { channels: [hostChannel(hwmon, name, `Grace CPU ${socket}`, 'host')], warnings: [] };
  }
  if (GRACE_PART.test(label ?? '')) return nothing;
  const meter = `power meter${label === undefined || label === '' ? '' : ` ${label}`}`;
  if (!counts) {
    const message = `${meter} (${basename(hwmon)}) measures the whole machine, GPUs included: it is left out, or joules would be counted twice.`;
    return { channels: [], warnings: [{ code: 'machine-meter-left-out', message }] };
  }
  const uuid = `power-meter-${basename(hwmon)}`;
  return { channels: [hostChannel(hwmon, uuid, meter, 'host')], warnings: [] };
}

async function findChannels(root: string, countsMachineMeters: boolean): Promise<Found> {
  const channels: Channel[] = [];
  const warnings: Warning[] = [];
  for (const name of await listNumbered(join(root, 'class/hwmon'))) {
    const hwmon = join(root, 'class/hwmon', name);
    const driver = (await readText(join(hwmon, 'name'))) ?? '';
    const vendor = GPU_DRIVERS[driver];
    if (vendor !== undefined) {
      const index = channels.filter(({ device }) => device.kind === 'gpu').length;
      channels.push(...(await gpuChannel(hwmon, vendor, index)));
    } else if (driver === POWER_METER) {
      const found = await meterChannel(hwmon, countsMachineMeters);
      channels.push(...found.channels);
      warnings.push(...found.warnings);
    }
  }
  return { channels, warnings };
}

async function readGauges(paths: {
  readonly hwmon: string;
  readonly card: string;
}): Promise<Gauges> {
  const at = { ...paths };
  const [busy, used, total, temperature, clock, cap] = await Promise.all([
    readOptional(join(at.card, 'gpu_busy_percent')),
    readOptional(join(at.card, 'mem_info_vram_used')),
    readOptional(join(at.card, 'mem_info_vram_total')),
    readOptional(join(at.hwmon, 'temp1_input')),
    readOptional(join(at.hwmon, 'freq1_input')),
    readOptional(join(at.hwmon, 'power1_cap')),
  ]);
  return {
    ...(busy === undefined ? {} : { utilizationRatio: fromPercent(busy) }),
    ...(used === undefined ? {} : { memoryUsedBytes: used }),
    ...(total === undefined ? {} : { memoryTotalBytes: total }),
    ...(temperature === undefined ? {} : { temperatureCelsius: temperature / 1e3 }),
    ...(clock === undefined ? {} : { smClockHertz: clock }),
    ...(cap === undefined ? {} : { powerLimitWatts: fromMicrowatts(cap) }),
  };
}

async function readChannel(channel: Channel, withGauges: boolean): Promise<PolledReading> {
  const { uuid } = channel.device;
  // Reading a sleeping GPU wakes it, and costs more than it measures.
  if ((await readText(channel.runtimeStatusPath)) === 'suspended')
    return { uuid, status: 'no-data' };
  const power = channel.powerPath === undefined ? undefined : await readNumber(channel.powerPath);
  const energy =
    channel.energyPath === undefined ? undefined : await readNumber(channel.energyPath);
  if (power?.kind !== 'value' && energy?.kind !== 'value') {
    const failure = power ?? energy;
    return { uuid, status: failure?.kind === 'failed' ? failure.status : 'no-data' };
  }
  const gauges =
    withGauges && channel.gaugePaths !== undefined
      ? await readGauges(channel.gaugePaths)
      : undefined;
  return {
    uuid,
    status: 'ok',
    ...(power?.kind === 'value' ? { powerWatts: { draw: fromMicrowatts(power.value) } } : {}),
    ...(energy?.kind === 'value' ? { counterJoules: fromMicrojoules(energy.value) } : {}),
    ...(gauges === undefined ? {} : { gauges }),
  };
}

/** The hwmon source. Its `events` throws `fatal`, reason `no-sensor`, where no sensor of known scope exists. */
export function hwmonSource(options: HwmonOptions): Source {
  const root = options.sysfsRoot ?? '/sys';
  let channels: readonly Channel[] = [];
  let gaugesAt = Number.NEGATIVE_INFINITY;
  return polledSource(
    {
      kind: 'hwmon',
      periodSeconds: options.periodSeconds ?? PERIOD_SECONDS,
      async open() {
        const found = await findChannels(root, options.countsMachineMeters ?? false);
        if (found.channels.length === 0) {
          const message = `No power sensor of an AMD or Intel GPU or a Grace CPU in ${join(root, 'class/hwmon')}. Is the GPU's kernel driver (amdgpu, i915, xe) loaded?`;
          throw new SourceError(message, { fate: 'fatal', reason: 'no-sensor' });
        }
        channels = found.channels;
        return { devices: channels.map(({ device }) => device), warnings: found.warnings };
      },
      async read(now) {
        const withGauges = now - gaugesAt >= GAUGE_SECONDS;
        if (withGauges) gaugesAt = now;
        return Promise.all(channels.map((channel) => readChannel(channel, withGauges)));
      },
      close: () => Promise.resolve(),
    },
    options.clock,
  );
}
