// The one thread that calls NVML. It keeps a session with the driver open, reads on a fixed grid of ticks, and never
// returns to an event loop: it sleeps on shared memory, where the main thread wakes it. Missed ticks are skipped.

import { parentPort, workerData } from 'node:worker_threads';

import type { Warning } from '../model.ts';
import { NvmlLibrary } from './nvml-abi.ts';
import type { NvmlMessage, NvmlWorkerData } from './nvml-messages.ts';
import { allAsleep } from './nvml-power-state.ts';
import { NvmlRegistry } from './nvml-registry.ts';
import { breaksSession, explain, faultReason, NVML, statusOf } from './nvml-return.ts';
import { openSession, type NvmlSession } from './nvml-session.ts';
import { failedRow, monotonicSeconds, NvmlShared } from './nvml-shared.ts';
import type { Fate } from './source.ts';

// With a counter the tenth of a second is ample, and with the driver's ring, as long as it refreshes more often; without
// either, half of the sensor's refresh period (docs/measurement.md §1).
const COUNTER_PERIOD_SECONDS = 0.1;
const RING_PERIOD_SECONDS = 0.1;
const SENSOR_PERIOD_SECONDS = 0.1;
const PASCAL_SENSOR_PERIOD_SECONDS = 0.02;
// NVML_DEVICE_ARCH_PASCAL in nvml.h.
const PASCAL = 4;
// Finer than any known refresh (10–20 ms), coarse enough to leave the driver to others.
const BURST_PERIOD_SECONDS = 0.002;
// Three refreshes of a counter of 100 ms: where its steps stand is found at once (docs/measurement.md §4.4).
const FIRST_BURST_SECONDS = 0.35;
// One refresh each, so long after the first: every one makes the period known so well that the phase holds until the next
// (two milliseconds over the time between them). Polls of the counter's own period would never tell.
const FURTHER_BURSTS_SECONDS = [1, 3, 12, 60, 240] as const;
const LATER_BURSTS_SECONDS = 240;
const FURTHER_BURST_SECONDS = 0.12;
const PROCESS_PERIOD_SECONDS = 1;
// A new session for a lost GPU interrupts the reading of the others, so it is tried less often than one for none.
const REOPEN_FIRST_SECONDS = 1;
const REOPEN_LONGEST_SECONDS = 30;
const LOST_REOPEN_FIRST_SECONDS = 5;
const LOST_REOPEN_LONGEST_SECONDS = 300;
const ASLEEP_PERIOD_SECONDS = 1;

const data = workerData as NvmlWorkerData;
const shared = new NvmlShared(data.buffers);
const registry = new NvmlRegistry();
const toldWarnings = new Set<string>();
let session: NvmlSession | undefined;

const post = (message: NvmlMessage): void => parentPort?.postMessage(message);

function warn(warning: Warning): void {
  if (toldWarnings.has(warning.message)) return;
  toldWarnings.add(warning.message);
  post({ kind: 'warning', warning });
}

function refuse(reason: string, fate: Fate, message: string): void {
  post({ kind: 'refused', reason, fate, message });
}

function loadLibrary(): NvmlLibrary | undefined {
  const watch = {
    enter: (number: number): void => shared.enterCall(number, session?.callSlot ?? -1),
    leave: (): void => shared.leaveCall(),
  };
  const causes: string[] = [];
  for (const path of data.libraryPaths) {
    try {
      return new NvmlLibrary(path, watch);
    } catch (error) {
      causes.push(error instanceof Error ? error.message.trim() : String(error));
    }
  }
  refuse(
    'library-missing',
    'fatal',
    `Cannot load libnvidia-ml.so.1: ${causes[0] ?? 'no path given'}. Is the NVIDIA driver installed, and its library directory known to the loader (LD_LIBRARY_PATH)?`,
  );
  return undefined;
}

function choosePeriod(): number {
  if (data.periodSeconds !== undefined) return data.periodSeconds;
  const periods = registry.entries().map(({ facts }) => {
    if (facts.counter) return COUNTER_PERIOD_SECONDS;
    const ringPeriodSeconds = facts.ring?.periodSeconds ?? Number.POSITIVE_INFINITY;
    if (ringPeriodSeconds <= RING_PERIOD_SECONDS / 2) return RING_PERIOD_SECONDS;
    return (
      (facts.architecture === PASCAL ? PASCAL_SENSOR_PERIOD_SECONDS : SENSOR_PERIOD_SECONDS) / 2
    );
  });
  return Math.min(COUNTER_PERIOD_SECONDS, ...periods);
}

/** Reads until the session breaks (its code) or is asked to end (0): also when lost GPUs want a new session. */
function readSession(current: NvmlSession, lostFor: Backoff): number {
  const start = monotonicSeconds();
  shared.burstFor(FIRST_BURST_SECONDS);
  const bursts = furtherBursts(start);
  let periodSeconds = announce();
  let announced = registry.revision;
  let processesAt = start;
  let reopenAt = Number.POSITIVE_INFINITY;
  while (!shared.stopped) {
    const code = current.readRound();
    if (breaksSession(code)) return code;
    if (registry.revision !== announced) {
      announced = registry.revision;
      periodSeconds = announce();
    }
    if (!shared.bursting) {
      current.readGauges();
      const now = monotonicSeconds();
      if (data.processes && now >= processesAt) {
        processesAt = now + PROCESS_PERIOD_SECONDS;
        post({ kind: 'processes', monotonicSeconds: now, devices: current.readProcesses() });
      }
      const events = current.readEvents();
      if (events.length > 0) post({ kind: 'xid', monotonicSeconds: now, events });
    }
    const now = monotonicSeconds();
    if (bursts.isDue(now)) shared.burstFor(FURTHER_BURST_SECONDS);
    if (!current.incomplete) {
      lostFor.reset();
      reopenAt = Number.POSITIVE_INFINITY;
    } else if (reopenAt === Number.POSITIVE_INFINITY) {
      reopenAt = now + lostFor.next();
    } else if (now >= reopenAt) {
      return NVML.success;
    }
    // The grid stands still: a round that took too long skips ticks, it does not shift them.
    const tick = (Math.floor((now - start) / periodSeconds) + 1) * periodSeconds + start;
    shared.sleepUntil(shared.bursting ? now + BURST_PERIOD_SECONDS : tick);
  }
  return NVML.success;
}

/** When a session that began at `start` wants another look at where refreshes stand. */
function furtherBursts(start: number): { isDue(now: number): boolean } {
  let count = 0;
  let next = start + FURTHER_BURSTS_SECONDS[0];
  return {
    isDue(now) {
      if (now < next) return false;
      count += 1;
      const further = FURTHER_BURSTS_SECONDS[count];
      next = further === undefined ? now + LATER_BURSTS_SECONDS : Math.max(now, start + further);
      return true;
    },
  };
}

/** Doubling waits between tries. */
class Backoff {
  readonly #first: number;
  readonly #longest: number;
  #seconds: number;

  constructor(first: number, longest: number) {
    this.#first = first;
    this.#longest = longest;
    this.#seconds = first;
  }

  next(): number {
    const seconds = this.#seconds;
    this.#seconds = Math.min(this.#longest, seconds * 2);
    return seconds;
  }

  reset(): void {
    this.#seconds = this.#first;
  }
}

/** Waits, saying of each GPU as often as it would be read why it is not. */
function waitSaying(code: number, waitSeconds: number): void {
  const end = monotonicSeconds() + waitSeconds;
  const periodSeconds = registry.size === 0 ? waitSeconds : choosePeriod();
  while (!shared.stopped && monotonicSeconds() < end) {
    for (const { slot } of registry.entries()) shared.push(failedRow(slot, statusOf(code)));
    shared.sleepUntil(Math.min(end, monotonicSeconds() + periodSeconds));
  }
}

/** Tells of the devices; returns the period at which they are to be read. */
function announce(): number {
  const entries = registry.entries();
  const periodSeconds = choosePeriod();
  post({
    kind: 'devices',
    slots: entries.map(({ slot }) => slot),
    devices: entries.map(({ facts }) => facts),
    periodSeconds,
  });
  return periodSeconds;
}

function waitWhileAsleep(): void {
  let told = false;
  while (!shared.stopped && allAsleep(data.sysfsRoot)) {
    if (!told) {
      const message =
        'Every NVIDIA GPU is asleep; reading would wake it. Waiting until one is used.';
      post({ kind: 'fault', reason: 'gpu-asleep', message });
    }
    told = true;
    shared.sleepUntil(monotonicSeconds() + ASLEEP_PERIOD_SECONDS);
  }
}

function main(): void {
  const library = loadLibrary();
  if (library === undefined) return;
  const reopening = new Backoff(REOPEN_FIRST_SECONDS, REOPEN_LONGEST_SECONDS);
  const lostFor = new Backoff(LOST_REOPEN_FIRST_SECONDS, LOST_REOPEN_LONGEST_SECONDS);
  let opened = false;
  while (!shared.stopped) {
    waitWhileAsleep();
    const opening = openSession({
      library,
      shared,
      registry,
      sysfsRoot: data.sysfsRoot,
      longestTickSeconds: data.periodSeconds ?? COUNTER_PERIOD_SECONDS,
    });
    let code: number;
    if (opening.kind === 'open' && (opening.session.deviceCount > 0 || opened)) {
      opened = true;
      reopening.reset();
      session = opening.session;
      opening.warnings.forEach(warn);
      code = readSession(session, lostFor);
      session.close();
      session = undefined;
    } else {
      code = opening.kind === 'failed' ? opening.code : NVML.gpuNotFound;
    }
    if (opening.kind === 'open') library.shutdown();
    if (code === NVML.success) continue;
    const message =
      opening.kind === 'open' && code === NVML.gpuNotFound
        ? 'NVML answers and lists no GPU. Is one here, and given to this container?'
        : `NVML cannot be read: ${explain(code)}.`;
    if (!opened && !data.waitForDriver) {
      refuse(faultReason(code), 'retry', message);
      return;
    }
    post({ kind: 'fault', reason: faultReason(code), message });
    waitSaying(code, reopening.next());
  }
}

main();
