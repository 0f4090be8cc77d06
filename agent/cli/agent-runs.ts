// Runs that others register with the agent (a batch system's prolog and epilog): the agent's own intervals, from the
// instant of registration to that of closing, in a run ledger of their own.

import type { Clock } from '../clock.ts';
import type { Config } from '../options.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Settlement } from '../pipeline/settlement.ts';
import type { MigParents } from '../run/gpus.ts';
import { parseRegistration, type Registration } from '../run/registration.ts';
import type { SocketAnswer, SocketRequest } from '../run/socket.ts';
import type { Mark, MarkOutcome } from '../run/windows.ts';
import type { RunSummary } from '../snapshot.ts';
import { after, type Instant } from '../units.ts';
import type { Context } from './context.ts';
import type { Pricing } from './pricing.ts';
import { openRegisteredRun, type RegisteredRun } from './registered-run.ts';

const MAX_OPEN_RUNS = 1000;
/** Readings of the last slot are waited for this long after a run was closed; then its books close without them. */
const SETTLE_SECONDS = 5;

/** The runs that are registered here. */
export interface AgentRuns extends AsyncDisposable {
  /** Answers `POST /v1/runs` and `DELETE /v1/runs/ID`; undefined for anything else. */
  change(request: SocketRequest): Promise<SocketAnswer | undefined>;
  /** A mark on the agent's socket is for every run that is open there. */
  mark(mark: Mark, ageSeconds: number): MarkOutcome;
  /** Gives each open run its part of what has become final. */
  settle(settlement: Settlement): void;
  open(): readonly RunSummary[];
}

/** Opens the register. */
export function openAgentRuns(parts: {
  readonly config: Config;
  readonly context: Context;
  readonly clock: Clock;
  readonly pricing: Pricing;
  readonly stateDirectory: string;
  readonly pipeline: () => Pipeline | undefined;
  readonly migParents: () => MigParents;
}): AgentRuns {
  const { clock } = parts;
  // A run that has ended stays until its last slot is settled; by then its id may be in use again.
  const runs = new Set<RegisteredRun>();
  const finishing = new Set<Promise<void>>();
  const openRuns = (): RegisteredRun[] =>
    [...runs].filter(({ endSeconds }) => endSeconds === undefined);

  const register = (registration: Registration): SocketAnswer => {
    const known = openRuns().find(({ id }) => id === registration.id);
    if (known !== undefined) return { status: 200, body: known.run };
    if (runs.size >= MAX_OPEN_RUNS) return refusal(409, TOO_MANY);
    const startSeconds = clock.now();
    parts.pipeline()?.cut(startSeconds);
    const opened = openRegisteredRun(registration, { ...parts, startSeconds });
    runs.add(opened);
    return { status: 201, body: opened.run };
  };

  const end = (id: string): SocketAnswer => {
    const run = openRuns().find((one) => one.id === id);
    if (run === undefined)
      return refusal(404, `No run ${id} is open here. Was it registered with this agent?`);
    const time = clock.now();
    run.end(time);
    parts.pipeline()?.cut(time, 'end');
    return { status: 200, body: run.summary() };
  };

  const finish = async (run: RegisteredRun): Promise<void> => {
    runs.delete(run);
    const finished = run.finish(clock.now());
    finishing.add(finished);
    await finished.finally(() => finishing.delete(finished));
  };

  return {
    async change({ method, path, body }) {
      if (path === '/v1/runs' && method === 'POST') {
        const registration = parseRegistration(body);
        return typeof registration === 'string'
          ? refusal(400, registration)
          : register(registration);
      }
      const id = /^\/v1\/runs\/([^/]+)$/.exec(path)?.[1];
      return id !== undefined && method === 'DELETE' ? end(decodeURIComponent(id)) : undefined;
    },
    mark(mark, ageSeconds) {
      const time = after(clock.now(), -ageSeconds);
      const outcomes = openRuns().map((run) => run.mark(mark, time));
      const accepted = outcomes.find(({ kind }) => kind === 'accepted');
      if (accepted !== undefined) parts.pipeline()?.cut(time);
      return accepted ?? outcomes[0] ?? { kind: 'refused', message: NO_RUN };
    },
    settle(settlement) {
      const devices = parts.pipeline()?.devices() ?? [];
      for (const run of runs) {
        run.take(settlement, devices);
        if (run.isSettled || isOverdue(run, clock.now())) void finish(run);
      }
    },
    open: () => openRuns().map((run) => run.summary()),
    async [Symbol.asyncDispose]() {
      await Promise.all([...[...runs].map(finish), ...finishing]);
    },
  };
}

const TOO_MANY = `${MAX_OPEN_RUNS} runs are open already. Does every run have its DELETE?`;
const NO_RUN =
  'No run is open here. Mark on the socket of a wattmeter run, or register a run first.';

const refusal = (status: number, error: string): SocketAnswer => ({ status, body: { error } });

/** A GPU that has vanished, or hangs, tells nothing more. */
const isOverdue = ({ endSeconds }: RegisteredRun, now: Instant): boolean =>
  endSeconds !== undefined && now - endSeconds > SETTLE_SECONDS;
