// One session with the driver, in the worker thread: from nvmlInit to its loss. Knows each GPU's state and takes its
// readings when they are due; the worker decides when that is.

import type { Warning } from '../model.ts';
import type { Answer, NvmlHandle, NvmlLibrary } from './nvml-abi.ts';
import type { DeviceProcesses, GpuProcess } from './nvml-messages.ts';
import { isAsleep, runtimeStatusPath } from './nvml-power-state.ts';
import {
  type DeviceIdentity,
  type NvmlDeviceFacts,
  type Probe,
  probeDevice,
  probeName,
  valueOf,
} from './nvml-probe.ts';
import { DeviceReader, failedRow } from './nvml-read.ts';
import { breaksSession, explain, losesDevice } from './nvml-return.ts';
import { MAX_SLOTS, monotonicSeconds, type NvmlShared } from './nvml-shared.ts';

const SLOW_PERIOD_SECONDS = 1;
const REPROBE_SECONDS = 60;

/** What every session of this process remembers: which slot and facts a UUID has. */
export class NvmlRegistry {
  readonly #slots = new Map<string, number>();
  readonly #facts = new Map<string, NvmlDeviceFacts>();
  #revision = 0;

  /** Grows when a fact changes: then the devices are announced anew. */
  get revision(): number {
    return this.#revision;
  }

  /** How many different GPUs this process has met. */
  get size(): number {
    return this.#facts.size;
  }

  uuids(): string[] {
    return [...this.#facts.keys()];
  }

  remember(facts: NvmlDeviceFacts): void {
    const known = this.#facts.get(facts.device.uuid);
    if (known !== undefined && JSON.stringify(known) === JSON.stringify(facts)) return;
    this.#facts.set(facts.device.uuid, facts);
    this.#revision++;
  }

  slotOf(uuid: string): number {
    const known = this.#slots.get(uuid);
    if (known !== undefined) return known;
    const slot = this.#slots.size;
    if (slot >= MAX_SLOTS) throw new Error(`More than ${MAX_SLOTS} different GPUs in one process.`);
    this.#slots.set(uuid, slot);
    return slot;
  }

  entries(): { readonly slot: number; readonly facts: NvmlDeviceFacts }[] {
    return [...this.#facts].map(([uuid, facts]) => ({ slot: this.slotOf(uuid), facts }));
  }
}

/** A GPU in this session. */
interface SessionDevice {
  readonly identity: DeviceIdentity;
  readonly slot: number;
  readonly statusPath: string | undefined;
  handle: NvmlHandle;
  reader: DeviceReader;
  readable: boolean;
  lost: boolean;
  retryAt: number;
  gaugesAt: number;
  reprobeAt: number;
  processesSeenMicroseconds: bigint;
}

/** What opening a session gave. */
export type Opening =
  | { readonly kind: 'open'; readonly session: NvmlSession; readonly warnings: readonly Warning[] }
  | { readonly kind: 'failed'; readonly code: number };

/** Initialises the library and probes its GPUs; those that cannot be opened are named in the warnings. */
export function openSession(
  library: NvmlLibrary,
  shared: NvmlShared,
  registry: NvmlRegistry,
  sysfsRoot: string,
): Opening {
  const code = library.init();
  if (code !== 0) return { kind: 'failed', code };
  const count = library.deviceCount();
  if (count.kind === 'failed') {
    library.shutdown();
    return count;
  }
  const driver = valueOf(library.driverVersion());
  const devices: SessionDevice[] = [];
  const warnings: Warning[] = [];
  for (let index = 0; index < count.value; index++) {
    const opened = openDevice(library, registry, sysfsRoot, index, driver);
    if (opened.kind === 'failed') {
      const message = `GPU ${index} cannot be opened: ${explain(opened.code)}.`;
      warnings.push({ code: 'gpu-unavailable', message });
      continue;
    }
    // Spread over the second: 64 GPUs' slow values at once would hold up a round of readings.
    opened.value.device.gaugesAt += (index / count.value) * SLOW_PERIOD_SECONDS;
    devices.push(opened.value.device);
    warnings.push(...opened.value.warnings);
  }
  return { kind: 'open', session: new NvmlSession(library, shared, registry, devices), warnings };
}

function openDevice(
  library: NvmlLibrary,
  registry: NvmlRegistry,
  sysfsRoot: string,
  index: number,
  driver: string | undefined,
): Answer<{ readonly device: SessionDevice; readonly warnings: readonly Warning[] }> {
  const handle = library.handleByIndex(index);
  if (handle.kind === 'failed') return handle;
  const uuid = library.uuid(handle.value);
  if (uuid.kind === 'failed') return uuid;
  const identity = { uuid: uuid.value, index, ...(driver === undefined ? {} : { driver }) };
  const pciBusId = valueOf(library.pciBusId(handle.value));
  const statusPath = pciBusId === undefined ? undefined : runtimeStatusPath(sysfsRoot, pciBusId);
  const asleep = statusPath !== undefined && isAsleep(statusPath);
  const probe = asleep
    ? probeName(library, handle.value, identity)
    : probeDevice(library, handle.value, identity);
  registry.remember(probe.facts);
  const now = monotonicSeconds();
  const device: SessionDevice = {
    identity,
    slot: registry.slotOf(uuid.value),
    statusPath,
    handle: handle.value,
    reader: new DeviceReader(library, probe.plan, registry.slotOf(uuid.value)),
    readable: isReadable(probe),
    lost: false,
    retryAt: 0,
    gaugesAt: now,
    reprobeAt: asleep ? now : now + REPROBE_SECONDS,
    processesSeenMicroseconds: 0n,
  };
  return { kind: 'value', value: { device, warnings: probe.warnings } };
}

const isReadable = (probe: Probe): boolean =>
  probe.facts.registers.length > 0 || probe.facts.counter;

/** An open session. Not a resource owner: the worker shuts the library down. */
export class NvmlSession {
  readonly #library: NvmlLibrary;
  readonly #shared: NvmlShared;
  readonly #registry: NvmlRegistry;
  readonly #devices: readonly SessionDevice[];
  #callSlot = -1;

  constructor(
    library: NvmlLibrary,
    shared: NvmlShared,
    registry: NvmlRegistry,
    devices: readonly SessionDevice[],
  ) {
    this.#library = library;
    this.#shared = shared;
    this.#registry = registry;
    this.#devices = devices;
  }

  /** The slot of the device being asked; for the watch. */
  get callSlot(): number {
    return this.#callSlot;
  }

  get deviceCount(): number {
    return this.#devices.length;
  }

  /** Whether a GPU of this process is missing or lost: a new session may find it. */
  get incomplete(): boolean {
    return this.#devices.length < this.#registry.size || this.#devices.some(({ lost }) => lost);
  }

  /** Reads every GPU that is due. Returns the code that broke the session, or 0. */
  readRound(): number {
    const started = monotonicSeconds();
    let read = 0;
    for (const device of this.#devices) {
      if (this.#shared.stopped) return 0;
      if (started < device.retryAt) continue;
      this.#callSlot = device.slot;
      const code = this.#readDevice(device, started);
      this.#callSlot = -1;
      if (breaksSession(code)) return code;
      if (code === 0 && device.readable) read++;
    }
    this.#reportMissing(started);
    const ended = monotonicSeconds();
    if (read > 0) this.#pushRoundEnd(ended, ended - started);
    return 0;
  }

  /** Reads the slow values of the GPUs whose second is over. */
  readGauges(): void {
    const now = monotonicSeconds();
    for (const device of this.#devices) {
      if (now < device.gaugesAt || now < device.retryAt || device.lost) continue;
      if (this.#shared.stopped) return;
      device.gaugesAt = Math.max(device.gaugesAt + SLOW_PERIOD_SECONDS, now);
      this.#callSlot = device.slot;
      this.#shared.setGauges(device.slot, device.reader.gauges(device.handle));
      this.#callSlot = -1;
    }
  }

  /** The compute processes of each GPU that answers. */
  readProcesses(): DeviceProcesses[] {
    return this.#devices.flatMap((device) => {
      if (device.lost || monotonicSeconds() < device.retryAt) return [];
      this.#callSlot = device.slot;
      const running = valueOf(this.#library.computeProcesses(device.handle));
      const used = this.#smUse(device);
      this.#callSlot = -1;
      if (running === undefined) return [];
      const processes: GpuProcess[] = running.map((process) => {
        const smUtilizationRatio = used?.get(process.pid) ?? (used === undefined ? undefined : 0);
        return smUtilizationRatio === undefined ? process : { ...process, smUtilizationRatio };
      });
      return [{ uuid: device.identity.uuid, processes }];
    });
  }

  // A pid without a sample used nothing, where the driver samples at all.
  #smUse(device: SessionDevice): Map<number, number> | undefined {
    const samples = valueOf(
      this.#library.processUtilization(device.handle, device.processesSeenMicroseconds),
    );
    if (samples === undefined) return undefined;
    const newest = new Map<number, { at: bigint; ratio: number }>();
    for (const { pid, timestampMicroseconds, smPercent } of samples) {
      const known = newest.get(pid);
      if (known !== undefined && known.at > timestampMicroseconds) continue;
      newest.set(pid, { at: timestampMicroseconds, ratio: smPercent / 100 });
      if (timestampMicroseconds > device.processesSeenMicroseconds) {
        device.processesSeenMicroseconds = timestampMicroseconds;
      }
    }
    return new Map([...newest].map(([pid, { ratio }]) => [pid, ratio]));
  }

  #readDevice(device: SessionDevice, now: number): number {
    if (device.statusPath !== undefined && isAsleep(device.statusPath)) {
      device.retryAt = now + SLOW_PERIOD_SECONDS;
      this.#shared.push(failedRow(device.slot, 'no-data'));
      return 0;
    }
    if (!device.readable) return this.#waitForSensor(device, now);
    const code = device.reader.read(device.handle);
    this.#shared.push(device.reader.row);
    device.lost = losesDevice(code);
    if (device.lost) device.retryAt = now + SLOW_PERIOD_SECONDS;
    return code;
  }

  #waitForSensor(device: SessionDevice, now: number): number {
    device.retryAt = now + SLOW_PERIOD_SECONDS;
    this.#shared.push(failedRow(device.slot, 'not-supported'));
    if (now < device.reprobeAt) return 0;
    device.reprobeAt = now + REPROBE_SECONDS;
    const probe = probeDevice(this.#library, device.handle, device.identity);
    this.#registry.remember(probe.facts);
    device.reader = new DeviceReader(this.#library, probe.plan, device.slot);
    device.readable = isReadable(probe);
    return 0;
  }

  // GPUs that an earlier session had and this one could not open: lost until a session finds them again.
  #missingReportedAt = 0;
  #reportMissing(now: number): void {
    if (now - this.#missingReportedAt < SLOW_PERIOD_SECONDS) return;
    this.#missingReportedAt = now;
    const here = new Set(this.#devices.map(({ identity }) => identity.uuid));
    for (const uuid of this.#registry.uuids()) {
      if (!here.has(uuid)) this.#shared.push(failedRow(this.#registry.slotOf(uuid), 'gpu-lost'));
    }
  }

  #pushRoundEnd(monotonic: number, durationSeconds: number): void {
    this.#shared.push({
      ...failedRow(-1, 'ok'),
      monotonicSeconds: monotonic,
      durationSeconds,
    });
  }
}
