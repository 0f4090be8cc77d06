// Ends a job that has used up its budget: SIGTERM to each of its processes once, SIGKILL after the grace period to
// those that are left. Only the job's own processes: its process group is also Wattmeter's and the caller's script's.

import { isStill, jobProcesses, type JobIdentity, type JobProcess } from './processes.ts';

/** What ending a job needs of the world. */
export interface TerminationPorts {
  list(identity: JobIdentity): readonly JobProcess[];
  isStill(process: JobProcess): boolean;
  /** Sends a signal; a process that has gone is no error. */
  send(pid: number, signal: NodeJS.Signals): void;
  /** Waits; may return early. */
  wait(seconds: number): Promise<void>;
}

/** The exit code of a run that its budget stopped (as timeout(1) has it). */
export const EXIT_BUDGET = 124;

const POLL_SECONDS = 0.1;

/** Ends the job; resolves when nothing of it is left, at the latest shortly after `graceSeconds`. */
export async function terminateJob(
  identity: JobIdentity,
  graceSeconds: number,
  ports: TerminationPorts,
): Promise<{ readonly killedCount: number }> {
  for (const { pid } of ports.list(identity)) {
    ports.send(pid, 'SIGTERM');
    // A stopped process would otherwise hear of it only when continued.
    ports.send(pid, 'SIGCONT');
  }
  for (let waited = 0; waited < graceSeconds; waited += POLL_SECONDS) {
    if (ports.list(identity).length === 0) return { killedCount: 0 };
    await ports.wait(Math.min(POLL_SECONDS, graceSeconds - waited));
  }
  const left = ports.list(identity).filter((process) => ports.isStill(process));
  for (const { pid } of left) ports.send(pid, 'SIGKILL');
  return { killedCount: left.length };
}

/** The ports of the machine; `kill` is process.kill, `wait` a timer. */
export function terminationPorts(options: {
  readonly kill: (pid: number, signal: NodeJS.Signals) => unknown;
  readonly wait: (seconds: number) => Promise<void>;
}): TerminationPorts {
  return {
    list: jobProcesses,
    isStill,
    wait: options.wait,
    send: (pid, signal) => {
      try {
        options.kill(pid, signal);
      } catch {
        // It has gone, or has become somebody else's (setuid): neither can be mended here.
      }
    },
  };
}
