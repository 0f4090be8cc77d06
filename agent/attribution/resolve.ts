// From a process to the job it works for: control group first, then what its environment says, then its own name.

import type { Instant } from '../units.ts';
import type { Job } from './job.ts';
import type { ProcessFacts, ProcessReader } from './proc.ts';
import type { UserNames } from './users.ts';

/** A process and its job. */
export interface ResolvedProcess {
  readonly identity: string;
  readonly job: Job;
  readonly startSeconds: Instant;
  readonly isMpsServer: boolean;
  /** What a pod calls its own host: its name, unless it shares the node's network. */
  readonly hostname?: string;
}

/** Finds the job of the process that had this number at `time`; undefined when the process is gone or hidden. */
export type JobResolver = (pid: number, time: Instant) => ResolvedProcess | undefined;

/** Creates a resolver over readers of processes and users. */
export function createJobResolver(processes: ProcessReader, users: UserNames): JobResolver {
  return (pid, time) => {
    const facts = processes.read(pid, time);
    if (facts === undefined) return undefined;
    return {
      identity: `${facts.pid}:${facts.startTicks}`,
      job: jobOf(facts, users),
      startSeconds: facts.startSeconds,
      // nvidia-cuda-mps-server and -control, as the kernel cuts their names.
      isMpsServer: facts.command.startsWith('nvidia-cuda-mps'),
      ...(facts.hostname !== undefined && { hostname: facts.hostname }),
    };
  };
}

function jobOf(facts: ProcessFacts, users: UserNames): Job {
  const { owner, userId } = facts;
  const withUser = (kind: string, jobId: string, id: number | undefined = userId): Job =>
    id === undefined ? { kind, jobId } : { kind, jobId, user: users.nameOf(id) ?? String(id) };
  switch (owner.kind) {
    case 'slurm':
      return withUser('slurm', owner.jobId, owner.userId);
    // Inside a container numbers of users mean something else, and mostly 0.
    case 'pod':
    case 'container':
      return { kind: owner.kind, jobId: owner.jobId };
    case 'unit':
    case 'user':
    case 'process':
      // Where Slurm makes no control groups, its jobs run in slurmd's own, or in a user's session.
      if (facts.slurmJobId !== undefined) return withUser('slurm', facts.slurmJobId);
      if (owner.kind === 'unit') return withUser('unit', owner.jobId);
      if (owner.kind === 'user') return withUser('user', owner.jobId, Number(owner.jobId));
      return withUser('process', `${facts.command}-${facts.pid}-${facts.startTicks}`);
  }
}
