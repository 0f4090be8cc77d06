// What a GPU draws while nobody computes on it: the lowest power seen while its process list was empty, until then what
// boards usually draw. It decides what stays unattributed. Pure.

import type { Device, Interval, Provenance } from '../model.ts';
import { watts, type Watts } from '../units.ts';

/** A device's idle power and how it is known. */
export interface IdlePower {
  readonly powerWatts: Watts;
  readonly provenance: Provenance;
}

/** What a device's intervals have shown so far; plain data for the checkpoint. */
export interface IdleMemory {
  /** Lowest mean over IDLE_SECONDS without a process. */
  readonly emptyWatts?: number;
  /** Lowest mean over IDLE_SECONDS whoever was there: idle power cannot be above it. */
  readonly lowestWatts?: number;
}

/** Learns a device's idle power. */
export interface IdleModel {
  /** `isEmpty`: it is known that no process was there all the time. */
  add(interval: Interval, isEmpty: boolean): void;
  powerOf(device: Device): IdlePower;
  memory(): IdleMemory;
}

// A second alone may hold a sensor's glitch or half a transition.
const IDLE_SECONDS = 10;
// Power ÷ limit of idle boards: 0.06 (RTX 3080) to 0.2 (L40S, B200), a T4 0.38; the middle of fourteen published
// `nvidia-smi -q -x` captures is 0.12 (A100 0.12–0.13, H100 0.10).
const IDLE_RATIO = 0.12;
// More than any idle board draws: then somebody is there whom the driver does not list.
const IMPLAUSIBLE_RATIO = 0.45;
const UNKNOWN_BOARD_IDLE_WATTS = 40;

/** Creates a model: knowing nothing, or what an earlier Wattmeter learnt. */
export function createIdleModel(memory: IdleMemory = {}): IdleModel {
  const empty = createLowestMean(memory.emptyWatts);
  const any = createLowestMean(memory.lowestWatts);
  return {
    add(interval, isEmpty) {
      // A bridging interval brings the mean of a whole hole, in which anybody may have been.
      if (interval.observedSeconds <= 0 || interval.bridgedSeconds > 0) return;
      any.add(interval.energyJoules, interval.observedSeconds);
      if (isEmpty) empty.add(interval.energyJoules, interval.observedSeconds);
      else empty.startAgain();
    },
    powerOf(device) {
      const limit = device.powerLimitWatts ?? device.ratedPowerWatts;
      const seen = empty.lowestWatts();
      if (seen !== undefined && (limit === undefined || seen <= IMPLAUSIBLE_RATIO * limit)) {
        return { powerWatts: watts(Math.max(0, seen)), provenance: 'measured' };
      }
      const usual = limit === undefined ? UNKNOWN_BOARD_IDLE_WATTS : IDLE_RATIO * limit;
      const atMost = Math.min(usual, any.lowestWatts() ?? usual);
      return { powerWatts: watts(Math.max(0, atMost)), provenance: 'assumed' };
    },
    memory() {
      const emptyWatts = empty.lowestWatts();
      const lowestWatts = any.lowestWatts();
      return {
        ...(emptyWatts !== undefined && { emptyWatts }),
        ...(lowestWatts !== undefined && { lowestWatts }),
      };
    },
  };
}

/** The lowest mean power over stretches of IDLE_SECONDS. */
function createLowestMean(start: number | undefined): {
  add(energyJoules: number, seconds: number): void;
  startAgain(): void;
  lowestWatts(): number | undefined;
} {
  let lowest = start;
  let energy = 0;
  let observed = 0;
  const startAgain = (): void => {
    energy = 0;
    observed = 0;
  };
  return {
    add(energyJoules, seconds) {
      energy += energyJoules;
      observed += seconds;
      if (observed < IDLE_SECONDS) return;
      lowest = Math.min(lowest ?? Number.POSITIVE_INFINITY, energy / observed);
      startAgain();
    },
    startAgain,
    lowestWatts: () => lowest,
  };
}
