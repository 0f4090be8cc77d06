// Attribution: process looks and charged intervals in; what each job, and nobody, has drawn on each GPU out, as counters
// that only grow. For every GPU Σ jobs + unattributed = the device (docs/measurement.md §6: an estimate by SM use). Pure.

import { addTo, valueOf } from '../sum.ts';
import type { Totals } from '../account.ts';
import type { ChargedInterval, Device, DeviceProcesses, GpuProcess, Warning } from '../model.ts';
import type { JobEnergy, UnattributedEnergy } from '../snapshot.ts';
import type { Instant } from '../units.ts';
import { addShare, amountsOf, newAmounts, rowOf, totalsOf, type Amounts } from './amounts.ts';
import { createProcessHistory, UNSEEN, type ProcessHistory, type Use } from './history.ts';
import { createIdleModel, type IdleModel, type IdlePower } from './idle.ts';
import { UNKNOWN_JOB, type SeenProcess } from './job.ts';
import { createJobTable, type JobTable } from './job-table.ts';
import type { AttributionRecord, DeviceRecord } from './record.ts';
import type { JobResolver } from './resolve.ts';
import { shareEnergy } from './shares.ts';

/** Names of pods, where somebody tells them. */
export interface PodNaming {
  /** A pod's process is on a GPU. */
  see(uid: string, uuid: string, time: Instant, hostname: string | undefined): void;
  nameOf(uid: string): string | undefined;
}

/** What attribution needs. */
export interface AttributionOptions {
  /** Jobs with a line of their own; the rest share `other`. */
  readonly maxJobs: number;
  readonly resolve: JobResolver;
  /** Job ids that a scheduler says have this GPU (a mapping directory); empty when it says nothing. */
  jobsOf?(device: Device): readonly string[];
  readonly podNames?: PodNaming;
  /** How long a look at the processes stands for, where no other is near. */
  readonly holdSeconds?: number;
  /** How long a job keeps its own line after it was last seen. */
  readonly keepEndedSeconds?: number;
  /** Records of the ledger: a checkpoint and what came after it. */
  readonly restored?: readonly AttributionRecord[];
}

/** What the books should know, of one device or of all. */
export interface AttributionWarning {
  readonly warning: Warning;
  readonly uuid?: string;
}

/** Shares GPUs' energy among jobs. */
export interface Attribution {
  /** Introduces or updates a device; only GPUs are attributed. */
  addDevice(device: Device): void;
  /**
   * Makes the parts agree with the device's own books, once, after both were restored: what the books hold and
   * attribution does not know goes to nobody.
   */
  adopt(uuid: string, totals: Totals): void;
  /** Who is on which GPU at `time`. A GPU that is not listed was not asked; one without processes was, and is empty. */
  observe(devices: readonly DeviceProcesses[], time: Instant): void;
  /** Shares one interval; late ones find the processes of their own time. */
  add(interval: ChargedInterval): void;
  jobs(): readonly JobEnergy[];
  unattributed(): readonly UnattributedEnergy[];
  /** New warnings since the last question. */
  takeWarnings(): readonly AttributionWarning[];
  /** What changed since the last question, for the ledger; undefined when nothing did. */
  takeChanges(): AttributionRecord | undefined;
  /** Everything, for the head of a segment. */
  toCheckpoint(): AttributionRecord;
}

const HOLD_SECONDS = 10;
const HISTORY_SECONDS = 300;
const KEEP_ENDED_SECONDS = 3600;

interface Lane {
  readonly device: Device;
  readonly history: ProcessHistory;
  idle: IdleModel;
  rest: Amounts;
  debtJoules: number;
}

/** Creates an attribution: empty, or going on where a ledger's records stop. */
export function createAttribution(options: AttributionOptions): Attribution {
  return new JobAttribution(options);
}

class JobAttribution implements Attribution {
  readonly #options: AttributionOptions;
  readonly #table: JobTable;
  readonly #lanes = new Map<string, Lane>();
  /** Devices of an earlier Wattmeter that have not been introduced to this one. */
  readonly #absent = new Map<string, DeviceRecord>();
  readonly #changedDevices = new Set<string>();
  readonly #warned = new Set<string>();
  #warnings: AttributionWarning[] = [];

  constructor(options: AttributionOptions) {
    this.#options = options;
    this.#table = createJobTable({
      maxJobs: options.maxJobs,
      keepEndedSeconds: options.keepEndedSeconds ?? KEEP_ENDED_SECONDS,
    });
    for (const record of options.restored ?? []) this.#restore(record);
  }

  addDevice(device: Device): void {
    if (device.kind !== 'gpu') return;
    const known = this.#lanes.get(device.uuid);
    if (known !== undefined) {
      this.#lanes.set(device.uuid, { ...known, device });
      return;
    }
    const before = this.#absent.get(device.uuid);
    this.#absent.delete(device.uuid);
    this.#lanes.set(device.uuid, {
      device,
      history: createProcessHistory({
        holdSeconds: this.#options.holdSeconds ?? HOLD_SECONDS,
        keepSeconds: HISTORY_SECONDS,
      }),
      idle: createIdleModel(before?.idle),
      rest: before === undefined ? newAmounts() : amountsOf(before.unattributed),
      debtJoules: before?.debtJoules ?? 0,
    });
  }

  adopt(uuid: string, totals: Totals): void {
    const lane = this.#lanes.get(uuid);
    if (lane === undefined) return;
    const claimed = this.#table.amountsOn(uuid);
    const missing =
      totals.energyJoules - valueOf(claimed.energyJoules) - valueOf(lane.rest.energyJoules);
    if (missing < 0) {
      lane.debtJoules = -missing;
    } else {
      lane.debtJoules = 0;
      addTo(lane.rest.energyJoules, missing);
    }
    for (const key of [
      'costAmount',
      'creditAmount',
      'locationBasedGrams',
      'marketBasedGrams',
    ] as const) {
      lane.rest.charges[key] = remainder(totals[key], claimed.charges[key]);
    }
    this.#changedDevices.add(uuid);
  }

  observe(devices: readonly DeviceProcesses[], time: Instant): void {
    const listed = new Map(devices.map(({ uuid, processes }) => [uuid, processes]));
    for (const [uuid, lane] of this.#lanes) {
      const processes = listed.get(uuid);
      const seen = this.#seenOn(lane.device, processes, time);
      if (seen === undefined) continue;
      lane.history.add(time, seen);
      for (const { job } of seen) this.#table.see(job, time);
    }
  }

  add(interval: ChargedInterval): void {
    const lane = this.#lanes.get(interval.uuid);
    if (lane === undefined) return;
    const { startSeconds, endSeconds, energyJoules, observedSeconds } = interval;
    const use = endSeconds > startSeconds ? lane.history.useOf(startSeconds, endSeconds) : UNSEEN;
    lane.idle.add(interval, use.isEmpty);
    const idle = lane.idle.powerOf(lane.device);
    const shares = shareEnergy({
      energyJoules,
      observedSeconds,
      idleWatts: idle.powerWatts,
      coveredRatio: use.coveredRatio,
      weights: use.claims.map(({ weight }) => weight),
    });
    const ratioOf = (share: number): number => (energyJoules === 0 ? 0 : share / energyJoules);
    use.claims.forEach(({ job }, at) => {
      const share = shares.claimedJoules[at] ?? 0;
      if (share === 0) return;
      this.#table.credit(job, {
        uuid: interval.uuid,
        energyJoules: share,
        ratio: ratioOf(share),
        charge: interval.charge,
        basis: use.basis,
      });
    });
    this.#bookRest(lane, interval, shares.unattributedJoules, ratioOf(shares.unattributedJoules));
    if (shares.unattributedJoules < energyJoules) this.#warn(lane.device, use, idle);
  }

  jobs(): readonly JobEnergy[] {
    return this.#table.lines().flatMap(({ job, ...line }) => {
      // Lines of a GPU that is not here any more are kept, and shown when it comes back.
      if (!this.#lanes.has(line.uuid)) return [];
      const name = job.kind === 'pod' ? this.#options.podNames?.nameOf(job.jobId) : undefined;
      return [{ ...job, ...line, ...(name !== undefined && { name }) }];
    });
  }

  unattributed(): readonly UnattributedEnergy[] {
    return [...this.#lanes].map(([uuid, lane]) => {
      const idle = lane.idle.powerOf(lane.device);
      return {
        uuid,
        energyJoules: totalsOf(lane.rest).energyJoules,
        idlePowerWatts: idle.powerWatts,
        idleProvenance: idle.provenance,
      };
    });
  }

  takeWarnings(): readonly AttributionWarning[] {
    const taken = this.#warnings;
    this.#warnings = [];
    return taken;
  }

  takeChanges(): AttributionRecord | undefined {
    const { jobs, gone, rows } = this.#table.takeChanges();
    const uuids = new Set([...this.#changedDevices, ...rows.map(([uuid]) => uuid)]);
    this.#changedDevices.clear();
    if (uuids.size === 0 && jobs.length === 0 && gone.length === 0) return undefined;
    return { jobs, gone, devices: [...uuids].map((uuid) => this.#deviceRecord(uuid, rows)) };
  }

  toCheckpoint(): AttributionRecord {
    const { jobs, gone, rows } = this.#table.everything();
    const uuids = new Set([...this.#lanes.keys(), ...this.#absent.keys()]);
    return { jobs, gone, devices: [...uuids].map((uuid) => this.#deviceRecord(uuid, rows)) };
  }

  /** Undefined when nothing is known of a device at this time. */
  #seenOn(
    device: Device,
    processes: readonly GpuProcess[] | undefined,
    time: Instant,
  ): SeenProcess[] | undefined {
    const mapped = this.#options.jobsOf?.(device) ?? [];
    if (processes === undefined && mapped.length === 0) return undefined;
    const seen = (processes ?? []).map((process) => this.#seen(process, device.uuid, time));
    if (mapped.length === 0) return seen;
    // The scheduler's word counts; how its jobs share the GPU is known where every process is one of theirs.
    if (seen.length > 0 && seen.every(({ job }) => mapped.includes(job.jobId))) {
      return seen.map((process) => ({ ...process, job: { ...process.job, kind: 'hpc' } }));
    }
    return mapped.map((jobId) => ({
      identity: `job ${jobId}`,
      job: { kind: 'hpc', jobId },
      isMpsServer: false,
    }));
  }

  #seen(process: GpuProcess, uuid: string, time: Instant): SeenProcess {
    const { pid, smUtilizationRatio, gpuInstance, computeInstance } = process;
    const found = this.#options.resolve(pid, time);
    if (found?.job.kind === 'pod') {
      this.#options.podNames?.see(found.job.jobId, uuid, time, found.hostname);
    }
    return {
      identity: found?.identity ?? `${pid}:unknown`,
      job: found?.job ?? UNKNOWN_JOB,
      isMpsServer: found?.isMpsServer ?? false,
      ...(found !== undefined && { startSeconds: found.startSeconds }),
      ...(smUtilizationRatio !== undefined && { smUtilizationRatio }),
      ...(gpuInstance !== undefined && { instance: `${gpuInstance}/${computeInstance ?? 0}` }),
    };
  }

  #bookRest(lane: Lane, interval: ChargedInterval, energyJoules: number, ratio: number): void {
    const withheld = Math.max(0, Math.min(lane.debtJoules, energyJoules));
    lane.debtJoules -= withheld;
    addShare(lane.rest, energyJoules - withheld, ratio, interval.charge);
    this.#changedDevices.add(interval.uuid);
  }

  #restore(record: AttributionRecord): void {
    this.#table.restore({
      jobs: record.jobs,
      gone: record.gone,
      rows: record.devices.flatMap(({ uuid, jobs }) =>
        jobs.map(([number, amounts]) => [uuid, number, amounts] as const),
      ),
    });
    for (const device of record.devices) this.#absent.set(device.uuid, device);
  }

  #deviceRecord(
    uuid: string,
    rows: readonly (readonly [string, number, DeviceRecord['unattributed']])[],
  ): DeviceRecord {
    const lane = this.#lanes.get(uuid);
    const absent = this.#absent.get(uuid);
    return {
      uuid,
      unattributed:
        lane === undefined ? (absent?.unattributed ?? rowOf(newAmounts())) : rowOf(lane.rest),
      debtJoules: lane?.debtJoules ?? absent?.debtJoules ?? 0,
      idle: lane?.idle.memory() ?? absent?.idle ?? {},
      jobs: rows.flatMap(([on, number, amounts]) =>
        on === uuid ? [[number, amounts] as const] : [],
      ),
    };
  }

  /** Says once of each device what its shares rest on. */
  #warn(device: Device, use: Use, idle: IdlePower): void {
    const { uuid } = device;
    if (idle.provenance === 'assumed') {
      this.#say(
        'attribution-idle-assumed',
        uuid,
        `The idle power of ${uuid} is assumed (${Math.round(idle.powerWatts)} W) until it has been seen without a process; it decides what no job answers for.`,
      );
    }
    if (use.isMig) {
      this.#say(
        'attribution-mig',
        uuid,
        `${uuid} is split by MIG and has one power sensor: the jobs of its instances share its energy by presence, an estimate.`,
      );
    } else if (use.isMps) {
      this.#say(
        'attribution-mps',
        uuid,
        `CUDA MPS runs jobs together on ${uuid}: its server's energy cannot be told apart by client, so listed clients share it, and unlisted ones are counted as the server.`,
      );
    } else if (use.basis === 'presence') {
      this.#say(
        'attribution-by-presence',
        uuid,
        `The driver does not say how much each process used ${uuid}: its jobs share what lies above idle equally by the time they were there, an estimate.`,
      );
    }
    if (this.#table.isFull) {
      this.#say(
        'attribution-jobs-folded',
        undefined,
        `More than ${this.#options.maxJobs} jobs at once: the rest is counted as job "other". Raise --attribution.max-jobs to tell them apart.`,
      );
    }
  }

  #say(code: string, uuid: string | undefined, message: string): void {
    const key = `${code} ${uuid ?? ''}`;
    if (this.#warned.has(key)) return;
    this.#warned.add(key);
    this.#warnings.push({ warning: { code, message }, ...(uuid !== undefined && { uuid }) });
  }
}

/** What is left of a total; undefined when the total or what was taken of it is not known. */
function remainder(
  total: number | undefined,
  taken: { readonly total: number; readonly carry: number } | undefined,
): { total: number; carry: number } | undefined {
  if (total === undefined || taken === undefined) return undefined;
  return { total: Math.max(0, total - valueOf(taken)), carry: 0 };
}
