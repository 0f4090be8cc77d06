// Who was on one GPU when: the looks at its process list, kept for a few minutes so that an interval that comes later,
// or late, still finds who used it. Turns the looks over a stretch of time into weights. Pure.

import type { Instant } from '../units.ts';
import { jobKey, type Basis, type Job, type SeenProcess } from './job.ts';

/** A job's claim on a stretch of time. */
export interface Claim {
  readonly job: Job;
  /** SM utilisation × seconds, or seconds present; only proportions mean anything. */
  readonly weight: number;
}

/** Who used a stretch of time. */
export interface Use {
  /** How much of it is known, 0 to 1. */
  readonly coveredRatio: number;
  readonly basis: Basis;
  readonly claims: readonly Claim[];
  /** All of it is known, and nobody was there. */
  readonly isEmpty: boolean;
  readonly isMig: boolean;
  /** The CUDA MPS server stands for clients that are not listed. */
  readonly isMps: boolean;
}

/** The looks at one GPU. */
export interface ProcessHistory {
  /** A look tells who has been there since the look before; looks come in time order. */
  add(timeSeconds: Instant, processes: readonly SeenProcess[]): void;
  useOf(startSeconds: Instant, endSeconds: Instant): Use;
}

/** How far looks reach. */
export interface HistoryOptions {
  /** How long a look stands for, where no other is near. */
  readonly holdSeconds: number;
  readonly keepSeconds: number;
}

interface Look {
  readonly time: number;
  readonly processes: readonly SeenProcess[];
}

/** A stretch between looks: who was there at its end, and who had gone by then. */
interface Segment {
  readonly start: number;
  readonly end: number;
  readonly present: readonly SeenProcess[];
  readonly ended: readonly SeenProcess[];
  /** Until when those who had gone are taken to have been there. */
  readonly endedAt: number;
}

/** A process over the part of a stretch in which it was there. */
interface Stay {
  readonly process: SeenProcess;
  readonly seconds: number;
}

const NEARLY_ALL = 0.999;

/** The use of a time that nobody has looked at. */
export const UNSEEN: Use = {
  coveredRatio: 0,
  basis: 'presence',
  claims: [],
  isEmpty: false,
  isMig: false,
  isMps: false,
};

/** Creates an empty history. */
export function createProcessHistory(options: HistoryOptions): ProcessHistory {
  let looks: Look[] = [];
  return {
    add(timeSeconds, processes) {
      const newest = looks.at(-1);
      if (newest !== undefined && timeSeconds <= newest.time) return;
      looks.push({ time: timeSeconds, processes });
      const oldest = looks[0];
      // Cut off now and then, not at every look.
      if (oldest !== undefined && timeSeconds - oldest.time > 2 * options.keepSeconds) {
        looks = looks.filter(({ time }) => timeSeconds - time <= options.keepSeconds);
      }
    },
    useOf(startSeconds, endSeconds) {
      if (endSeconds <= startSeconds) return UNSEEN;
      const segments = segmentsOver(looks, startSeconds, endSeconds, options.holdSeconds);
      return useOver(segments, endSeconds - startSeconds);
    },
  };
}

/** The parts of [start, end) that looks tell of, in time order. */
function segmentsOver(looks: readonly Look[], start: number, end: number, hold: number): Segment[] {
  const segments: Segment[] = [];
  const push = (segment: Segment): void => {
    const from = Math.max(start, segment.start);
    const to = Math.min(end, segment.end);
    if (to > from) segments.push({ ...segment, start: from, end: to });
  };
  const newest = looks.at(-1);
  if (newest !== undefined) {
    // The interval is settled before the next look: who was there a moment ago is taken to be there still.
    const { time, processes } = newest;
    push({ start: time, end: time + hold, present: processes, ended: [], endedAt: time });
  }
  for (let at = looks.length - 1; at >= 0; at -= 1) {
    const look = looks[at];
    if (look === undefined || look.time <= start) break;
    push(segmentBefore(look, looks[at - 1], hold));
  }
  return segments.toReversed();
}

/** What a look says of the time before it, back to the look before. */
function segmentBefore(look: Look, before: Look | undefined, hold: number): Segment {
  const { time, processes } = look;
  const rest = { end: time, present: processes };
  if (before === undefined) return { ...rest, start: time - hold, ended: [], endedAt: time - hold };
  // Who is there before and after a long silence was there all the time; other company stays unknown.
  if (time - before.time > hold && !sameCompany(before.processes, processes)) {
    return { ...rest, start: time - hold, ended: [], endedAt: time - hold };
  }
  const present = new Set(processes.map(({ identity }) => identity));
  return {
    ...rest,
    start: before.time,
    ended: before.processes.filter(({ identity }) => !present.has(identity)),
    // Nobody saw the end: half of the time is the least wrong.
    endedAt: (before.time + time) / 2,
  };
}

function sameCompany(some: readonly SeenProcess[], others: readonly SeenProcess[]): boolean {
  const identities = new Set(some.map(({ identity }) => identity));
  return (
    identities.size === new Set(others.map(({ identity }) => identity)).size &&
    others.every(({ identity }) => identities.has(identity))
  );
}

function useOver(segments: readonly Segment[], wholeSeconds: number): Use {
  const covered = segments.reduce((sum, { start, end }) => sum + (end - start), 0);
  const coveredRatio = Math.min(1, covered / wholeSeconds);
  const parts = segments.map(staysIn);
  const all = parts.flat();
  if (all.length === 0) return { ...UNSEEN, coveredRatio, isEmpty: coveredRatio >= NEARLY_ALL };
  const isMps = all.some(({ process }) => process.isMpsServer);
  const stays = isMps ? parts.map(withoutServer) : parts;
  const byUse = claimsByUse(stays.flat());
  return {
    coveredRatio,
    basis: byUse === undefined ? 'presence' : 'utilization',
    claims: byUse ?? stays.map(claimsByPresence).reduce(joinClaims, []),
    isEmpty: false,
    isMig: all.some(({ process }) => process.instance !== undefined),
    isMps,
  };
}

function staysIn({ start, end, present, ended, endedAt }: Segment): Stay[] {
  const stays = present.map((process) => ({
    process,
    seconds: end - Math.max(start, Math.min(process.startSeconds ?? start, end)),
  }));
  const gone = ended.map((process) => ({ process, seconds: Math.min(end, endedAt) - start }));
  return [...stays, ...gone].filter(({ seconds }) => seconds > 0);
}

/** An MPS server computes for its clients: where those are listed the energy is theirs, and what it used is not told apart. */
function withoutServer(stays: readonly Stay[]): Stay[] {
  const clients = stays.filter(({ process }) => !process.isMpsServer);
  if (clients.length === 0) return [...stays];
  const idle = clients.every(({ process }) => (process.smUtilizationRatio ?? 0) === 0);
  return idle ? clients.map(withoutUse) : clients;
}

function withoutUse({ process, seconds }: Stay): Stay {
  const { smUtilizationRatio: _, ...rest } = process;
  return { process: rest, seconds };
}

/**
 * Undefined where the driver does not say how much each used, and where nobody used the SMs: what is above idle then is
 * the price of contexts, copies and codecs, and being there is all that is known.
 */
function claimsByUse(stays: readonly Stay[]): Claim[] | undefined {
  const claims: Claim[] = [];
  for (const { process, seconds } of stays) {
    if (process.smUtilizationRatio === undefined) return undefined;
    claims.push({ job: process.job, weight: process.smUtilizationRatio * seconds });
  }
  return claims.some(({ weight }) => weight > 0) ? joinClaims([], claims) : undefined;
}

/** Each job on each MIG instance counts once, however many processes it has there. */
function claimsByPresence(stays: readonly Stay[]): Claim[] {
  const longest = new Map<string, Claim>();
  for (const { process, seconds } of stays) {
    const key = `${process.instance ?? ''} ${jobKey(process.job)}`;
    const weight = Math.max(seconds, longest.get(key)?.weight ?? 0);
    longest.set(key, { job: process.job, weight });
  }
  return joinClaims([], [...longest.values()]);
}

function joinClaims(some: readonly Claim[], others: readonly Claim[]): Claim[] {
  const joined = new Map<string, Claim>();
  for (const claim of [...some, ...others]) {
    const key = jobKey(claim.job);
    const before = joined.get(key)?.weight ?? 0;
    joined.set(key, { job: claim.job, weight: before + claim.weight });
  }
  return [...joined.values()];
}
