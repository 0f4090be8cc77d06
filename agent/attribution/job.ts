// What attribution calls a job, and a process that was seen working for one. Types, and the key that jobs are told by.

import type { Instant } from '../units.ts';

/** What a job is known by: its kind and id together are its identity, the rest is said of it. */
export interface Job {
  /** `slurm`, `pod`, `container`, `unit`, `user`, `process`, `hpc` (a mapping directory), `other`, `ended`. */
  readonly kind: string;
  readonly jobId: string;
  readonly user?: string;
}

/** Where its share came from: its use of the SMs, or its being there. */
export type Basis = 'utilization' | 'presence';

/** A process on a GPU at one look, with the job it works for. */
export interface SeenProcess {
  /** Tells it from a later process with the same number. */
  readonly identity: string;
  readonly job: Job;
  /** The MIG instance it computes on. */
  readonly instance?: string;
  readonly smUtilizationRatio?: number;
  readonly startSeconds?: Instant;
  /** It computes for others, whom the driver may not list. */
  readonly isMpsServer: boolean;
}

/** The identity of a job. */
export const jobKey = (job: Job): string => `${job.kind}/${job.jobId}`;

/** A process that nothing is known of: it was gone, or hidden, when somebody looked. */
export const UNKNOWN_JOB: Job = { kind: 'process', jobId: 'unknown' };
