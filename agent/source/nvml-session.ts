// One session with the driver, in the worker thread: from nvmlInit to its loss. Knows each GPU's state and takes its
// readings when they are due; the worker decides when that is.

import type { ReadingStatus, Warning } from '../model.ts';
import { type Answer, type NvmlHandle, type NvmlLibrary, valueOf } from './nvml-abi.ts';
import { type XidEvent, XidEvents } from './nvml-events.ts';
import type { DeviceProcesses, GpuProcess } from './nvml-messages.ts';
import { isAsleep, runtimeStatusPath } from './nvml-power-state.ts';
import { type DeviceIdentity, type Probe, probeDevice, probeName } from './nvml-probe.ts';
import { DeviceReader } from './nvml-read.ts';
import type { NvmlRegistry } from './nvml-registry.ts';
import { breaksSession, explain, isPermanent, losesDevice, statusOf } from './nvml-return.ts';
import {
  failedRow,
  MAX_SLOTS,
  monotonicSeconds,
  type NvmlShared,
  type RingRow,
  STALE_READ_SECONDS,
} from './nvml-shared.ts';

const SLOW_PERIOD_SECONDS = 1;
const REPROBE_SECONDS = 60;
// What a GPU could not say at first it may say soon: a ring fills, an error passes.
const FIRST_REPROBE_SECONDS = 5;

/** A GPU in this session. */
interface SessionDevice {
  readonly identity: DeviceIdentity;
  readonly slot: number;
  readonly statusPath: string | undefined;
  readonly handle: NvmlHandle;
  reader: DeviceReader;
  /** What it gives instead of readings; undefined where it gives them. */
  blindStatus: Probe['blindStatus'] | undefined;
  lost: boolean;
  /** Until then it is not asked, and `failure` is told in place of a reading. */
  retryAt: number;
  failure: ReadingStatus;
  readAt: number;
  gaugesAt: number;
  /** When it is to be asked again what it can be asked; infinite once that is known for good. */
  reprobeAt: number;
  /** The wait before the next such question. */
  reprobeSeconds: number;
  processesSeenMicroseconds: bigint;
}

/** What a session is opened with. */
export interface SessionOptions {
  readonly library: NvmlLibrary;
  readonly shared: NvmlShared;
  readonly registry: NvmlRegistry;
  readonly sysfsRoot: string;
  /** Readings are never farther apart. */
  readonly longestTickSeconds: number;
}

/** What opening a session gave. */
export type Opening =
  | { readonly kind: 'open'; readonly session: NvmlSession; readonly warnings: readonly Warning[] }
  | { readonly kind: 'failed'; readonly code: number };

/** Initialises the library and probes its GPUs; those that cannot be opened are named in the warnings. */
export function openSession(options: SessionOptions): Opening {
  const { library } = options;
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
  let missing = 0;
  const places = Math.min(count.value, MAX_SLOTS);
  for (let index = 0; index < places; index++) {
    const opened = openDevice(options, { index, driver, among: devices });
    if (opened.kind === 'failed') {
      const message = `GPU ${index} cannot be opened: ${explain(opened.code)}.`;
      warnings.push({ code: 'gpu-unavailable', message });
      if (!isPermanent(opened.code)) missing++;
      continue;
    }
    // Spread over the second: 64 GPUs' slow values at once would hold up a round of readings.
    opened.value.device.gaugesAt += (index / places) * SLOW_PERIOD_SECONDS;
    devices.push(opened.value.device);
    warnings.push(...opened.value.warnings);
  }
  return { kind: 'open', session: new NvmlSession(options, devices, missing), warnings };
}

interface Place {
  readonly index: number;
  readonly driver: string | undefined;
  readonly among: readonly SessionDevice[];
}

function openDevice(
  options: SessionOptions,
  { index, driver, among }: Place,
): Answer<{ readonly device: SessionDevice; readonly warnings: readonly Warning[] }> {
  const { library, registry, sysfsRoot } = options;
  const handle = library.handleByIndex(index);
  if (handle.kind === 'failed') return handle;
  const pciBusId = valueOf(library.pciBusId(handle.value));
  const uuid = uuidOf(library.uuid(handle.value), pciBusId, { index, driver, among });
  if (uuid.kind === 'failed') return uuid;
  const identity = { uuid: uuid.value, index, ...(driver === undefined ? {} : { driver }) };
  const statusPath = pciBusId === undefined ? undefined : runtimeStatusPath(sysfsRoot, pciBusId);
  const asleep = statusPath !== undefined && isAsleep(statusPath);
  const probe = asleep
    ? probeName(library, handle.value, identity)
    : probeDevice(library, handle.value, identity, options.longestTickSeconds);
  registry.remember(probe.facts);
  const now = monotonicSeconds();
  const slot = registry.slotOf(uuid.value);
  const device: SessionDevice = {
    identity,
    slot,
    statusPath,
    handle: handle.value,
    reader: new DeviceReader(library, handle.value, probe.plan, slot),
    blindStatus: blindStatusOf(probe),
    lost: false,
    retryAt: 0,
    failure: 'no-data',
    readAt: now,
    gaugesAt: now,
    reprobeAt: asleep ? now : reprobeAfter(probe, now, FIRST_REPROBE_SECONDS),
    reprobeSeconds: FIRST_REPROBE_SECONDS,
    processesSeenMicroseconds: 0n,
  };
  return { kind: 'value', value: { device, warnings: probe.warnings } };
}

/** A GPU that does not say who it is, or says what another has said, is known by its place on the bus. */
function uuidOf(
  said: Answer<string>,
  pciBusId: string | undefined,
  { index, among }: Place,
): Answer<string> {
  if (said.kind === 'failed' && !isPermanent(said.code)) return said;
  const text = (valueOf(said) ?? '').trim();
  const isTaken = among.some(({ identity }) => identity.uuid === text);
  if (text !== '' && !isTaken) return { kind: 'value', value: text };
  return { kind: 'value', value: `PCI-${pciBusId ?? `index-${index}`}` };
}

/** A GPU that gives nothing at all is asked again as well: drivers have been mended without a reboot. */
const reprobeAfter = (probe: Probe, now: number, waitSeconds: number): number => {
  if (!isReadable(probe)) return now + REPROBE_SECONDS;
  return probe.isFinal ? Number.POSITIVE_INFINITY : now + waitSeconds;
};

const isReadable = ({ facts }: Probe): boolean =>
  facts.registers.length > 0 || facts.counter || facts.ring !== undefined;

const blindStatusOf = (probe: Probe): Probe['blindStatus'] | undefined =>
  isReadable(probe) ? undefined : probe.blindStatus;

/** An open session. Not a resource owner: the worker shuts the library down. */
export class NvmlSession {
  readonly #options: SessionOptions;
  readonly #library: NvmlLibrary;
  readonly #shared: NvmlShared;
  readonly #registry: NvmlRegistry;
  readonly #devices: readonly SessionDevice[];
  readonly #events: XidEvents;
  /** GPUs that are there and could not be opened for now. */
  readonly #missing: number;
  /** GPUs that an earlier session had and this one could not open: lost until a session finds them again. */
  readonly #missingSlots: readonly number[];
  readonly #push = (row: Readonly<RingRow>): void => this.#shared.push(row);
  /** When a call returned that had hung: since their last reading every GPU was waiting for it. */
  #hungAt = 0;
  #callSlot = -1;
  #eventsAt = 0;

  constructor(options: SessionOptions, devices: readonly SessionDevice[], missing: number) {
    this.#options = options;
    this.#library = options.library;
    this.#shared = options.shared;
    this.#registry = options.registry;
    this.#devices = devices;
    this.#missing = missing;
    const here = new Set(devices.map(({ identity }) => identity.uuid));
    this.#missingSlots = options.registry
      .uuids()
      .filter((uuid) => !here.has(uuid))
      .map((uuid) => options.registry.slotOf(uuid));
    this.#events = new XidEvents(options.library);
    for (const { handle, identity } of devices) this.#events.register(handle, identity.uuid);
  }

  /** The slot of the device being asked; for the watch. */
  get callSlot(): number {
    return this.#callSlot;
  }

  get deviceCount(): number {
    return this.#devices.length;
  }

  /** Whether a GPU is missing or lost: a new session may find it. */
  get incomplete(): boolean {
    const isWhole = this.#missingSlots.length === 0 && this.#missing === 0;
    return !isWhole || this.#devices.some(({ lost }) => lost);
  }

  /** Lets go of what the session holds beside the library. */
  close(): void {
    this.#events.close();
  }

  /** Reads every GPU that is due. Returns the code that broke the session, or 0. */
  readRound(): number {
    const started = monotonicSeconds();
    let before = started;
    let read = 0;
    for (const device of this.#devices) {
      if (this.#shared.stopped) return 0;
      if (started < device.retryAt) {
        this.#shared.push(failedRow(device.slot, device.failure));
        continue;
      }
      this.#callSlot = device.slot;
      if (device.readAt < this.#hungAt && !device.reader.readsRing) {
        this.#shared.push(failedRow(device.slot, 'timeout'));
      }
      const code = this.#readDevice(device, started);
      this.#callSlot = -1;
      device.readAt = this.#noteHang(before);
      before = device.readAt;
      if (breaksSession(code)) return code;
      if (code === 0 && device.blindStatus === undefined) read++;
    }
    for (const slot of this.#missingSlots) this.#shared.push(failedRow(slot, 'gpu-lost'));
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
      this.#shared.setGauges(device.slot, device.reader.gauges());
      this.#callSlot = -1;
      this.#noteHang(now);
    }
  }

  #noteHang(since: number): number {
    const now = monotonicSeconds();
    if (now - since > STALE_READ_SECONDS) this.#hungAt = now;
    return now;
  }

  /** The XID errors of the last second; none before it is over. */
  readEvents(): XidEvent[] {
    const now = monotonicSeconds();
    if (now < this.#eventsAt) return [];
    this.#eventsAt = now + SLOW_PERIOD_SECONDS;
    return this.#events.take();
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
      this.#tellFailure(device, now, 'no-data');
      return 0;
    }
    if (now >= device.reprobeAt) this.#reprobe(device, now);
    if (device.blindStatus !== undefined) {
      this.#tellFailure(device, now, device.blindStatus);
      return 0;
    }
    const code = device.reader.read(this.#push);
    if (device.reader.hasLostRing) this.#forgetRing(device, now);
    device.lost = losesDevice(code);
    if (device.lost) this.#setAside(device, now, statusOf(code));
    // A plan that was made while errors hid what the GPU lacks.
    if (isPermanent(code)) {
      device.reprobeAt = Math.min(device.reprobeAt, now + device.reprobeSeconds);
    }
    return code;
  }

  #tellFailure(device: SessionDevice, now: number, failure: ReadingStatus): void {
    this.#setAside(device, now, failure);
    this.#shared.push(failedRow(device.slot, failure));
  }

  /** Asking once a second is enough; why there is no reading is told as often as one would be. */
  #setAside(device: SessionDevice, now: number, failure: ReadingStatus): void {
    device.retryAt = now + SLOW_PERIOD_SECONDS;
    device.failure = failure;
  }

  #reprobe(device: SessionDevice, now: number): void {
    const { library, longestTickSeconds } = this.#options;
    const { handle, identity, slot } = device;
    const probe = probeDevice(library, handle, identity, longestTickSeconds);
    device.reprobeSeconds = Math.min(REPROBE_SECONDS, 2 * device.reprobeSeconds);
    device.reprobeAt = reprobeAfter(probe, now, device.reprobeSeconds);
    this.#registry.remember(probe.facts);
    device.reader = new DeviceReader(library, handle, probe.plan, slot);
    device.blindStatus = blindStatusOf(probe);
  }

  #forgetRing(device: SessionDevice, now: number): void {
    const known = this.#registry.factsOf(device.identity.uuid);
    if (known?.ring === undefined) return;
    const { ring: _, ...facts } = known;
    this.#registry.remember(facts);
    device.reprobeAt = now + REPROBE_SECONDS;
  }

  #pushRoundEnd(monotonic: number, durationSeconds: number): void {
    this.#shared.push({
      ...failedRow(-1, 'ok'),
      monotonicSeconds: monotonic,
      durationSeconds,
    });
  }
}
