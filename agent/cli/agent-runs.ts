// Runs that others register with the agent (a batch system's prolog and epilog): the agent's own intervals, from the
// instant of registration to that of closing, in a run ledger of their own.

import { hostname } from 'node:os';

import { gpuEnergyOf } from '../account/gpu-energy.ts';
import { createAccount, type Account } from '../account.ts';
import type { Clock } from '../clock.ts';
import { createRunLedger, type RunLedger } from '../ledger/run-ledger.ts';
import type { ChargedInterval, Device } from '../model.ts';
import type { Config } from '../options.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Settlement } from '../pipeline/settlement.ts';
import { selectGpus } from '../run/gpus.ts';
import { WindowBook, type Mark, type MarkOutcome } from '../run/windows.ts';
import { parseRegistration, type Registration } from '../run/registration.ts';
import type { SocketAnswer, SocketRequest } from '../run/socket.ts';
import type { RunSummary } from '../snapshot.ts';
import type { Instant } from '../units.ts';
import type { Context } from './context.ts';
import { pricingFacts } from './pricing.ts';
import { closeRun } from './run-end.ts';
import { sayFault } from './state.ts';

const MAX_OPEN_RUNS = 1000;
/** Readings of the last slot are waited for this long after a run was closed; then its books close without them. */
const SETTLE_SECONDS = 5;

interface RegisteredRun {
  readonly registration: Registration;
  readonly account: Account;
  readonly ledger: RunLedger;
  readonly windows: WindowBook;
  readonly introduced: Set<string>;
  /** Undefined until the devices are known: then the GPUs that its list means. */
  uuids: ReadonlySet<string> | undefined;
  endSeconds: Instant | undefined;
}

/** The runs that are registered here. */
export interface AgentRuns extends AsyncDisposable {
  /** Answers `POST /v1/runs` and `DELETE /v1/runs/ID`; undefined for anything else. */
  change(request: SocketRequest): Promise<SocketAnswer | undefined>;
  /** A mark on the agent's socket is for every run that is open there. */
  mark(mark: Mark): MarkOutcome;
  /** Gives each open run its part of what has become final. */
  settle(settlement: Settlement): void;
  open(): readonly RunSummary[];
}

/** Opens the register. */
export function openAgentRuns(parts: {
  readonly config: Config;
  readonly context: Context;
  readonly clock: Clock;
  readonly stateDirectory: string;
  readonly flushSeconds: number;
  readonly pipeline: () => Pipeline | undefined;
}): AgentRuns {
  const { config, context, clock } = parts;
  const runs = new Map<string, RegisteredRun>();

  const register = (registration: Registration): SocketAnswer => {
    const known = runs.get(registration.id);
    if (known !== undefined && known.endSeconds === undefined)
      return { status: 200, body: known.ledger.run };
    if (runs.size >= MAX_OPEN_RUNS)
      return {
        status: 409,
        body: { error: `${MAX_OPEN_RUNS} runs are open already. Does every run have its DELETE?` },
      };
    const startSeconds = clock.now();
    parts.pipeline()?.cut(startSeconds);
    const ledger = createRunLedger({
      stateDirectory: parts.stateDirectory,
      writer: { version: context.version, pid: context.processId },
      flushSeconds: parts.flushSeconds,
      onFault: sayFault(context),
      run: {
        name: registration.id,
        host: hostname(),
        startSeconds,
        labels: {
          ...registration.labels,
          ...(registration.name === undefined ? {} : { name: registration.name }),
        },
      },
    });
    void ledger.addFacts(pricingFacts(config));
    runs.set(registration.id, {
      registration,
      account: createAccount(ledger.run),
      ledger,
      windows: new WindowBook(startSeconds),
      introduced: new Set(),
      uuids: undefined,
      endSeconds: undefined,
    });
    return { status: 201, body: ledger.run };
  };

  const end = (id: string): SocketAnswer => {
    const run = runs.get(id);
    if (run === undefined || run.endSeconds !== undefined)
      return {
        status: 404,
        body: { error: `No run ${id} is open here. Was it registered with this agent?` },
      };
    run.endSeconds = clock.now();
    parts.pipeline()?.cut(run.endSeconds, 'end');
    return { status: 200, body: summaryOf(run) };
  };

  const finish = async (run: RegisteredRun, endSeconds: Instant): Promise<void> => {
    runs.delete(run.registration.id);
    const { closed, warnings } = run.windows.close(endSeconds);
    for (const window of closed) {
      run.account.addWindow(window);
      void run.ledger.addWindow(window);
    }
    for (const warning of warnings) void run.ledger.addWarning(warning);
    await closeRun(run.ledger, run.account.books({ endSeconds }), { endSeconds });
  };

  return {
    async change({ method, path, body }) {
      if (path === '/v1/runs' && method === 'POST') {
        const registration = parseRegistration(body);
        return typeof registration === 'string'
          ? { status: 400, body: { error: registration } }
          : register(registration);
      }
      const id = /^\/v1\/runs\/([^/]+)$/.exec(path)?.[1];
      return id !== undefined && method === 'DELETE' ? end(decodeURIComponent(id)) : undefined;
    },
    mark(mark) {
      const time = clock.now();
      const open = [...runs.values()].filter(({ endSeconds }) => endSeconds === undefined);
      const outcomes = open.map((run) => markRun(run, mark, time));
      const accepted = outcomes.find(({ kind }) => kind === 'accepted');
      if (accepted !== undefined) parts.pipeline()?.cut(time);
      return (
        accepted ??
        outcomes[0] ?? {
          kind: 'refused',
          message:
            'No run is open here. Mark on the socket of a wattmeter run, or register a run first.',
        }
      );
    },
    settle({ intervals }) {
      const devices =
        parts
          .pipeline()
          ?.devices()
          .map(({ device }) => device) ?? [];
      for (const run of runs.values()) {
        take(run, intervals, devices, parts.pipeline());
        const { endSeconds } = run;
        if (endSeconds === undefined) continue;
        if (hasPassed(intervals, endSeconds) || clock.now() - endSeconds > SETTLE_SECONDS)
          void finish(run, endSeconds);
      }
    },
    open: () =>
      [...runs.values()].filter(({ endSeconds }) => endSeconds === undefined).map(summaryOf),
    async [Symbol.asyncDispose]() {
      const now = clock.now();
      await Promise.all([...runs.values()].map((run) => finish(run, run.endSeconds ?? now)));
    },
  };
}

function markRun(
  { windows, account, ledger }: RegisteredRun,
  mark: Mark,
  time: Instant,
): MarkOutcome {
  const outcome = windows.mark(mark, time);
  if (outcome.kind === 'refused') return outcome;
  if (mark.phase === 'begin') {
    account.openWindow(mark.name, time);
    void ledger.openWindow(mark.name, time);
  }
  for (const window of outcome.closed) {
    account.addWindow(window);
    void ledger.addWindow(window);
  }
  return outcome;
}

const hasPassed = (intervals: readonly ChargedInterval[], end: Instant): boolean =>
  intervals.some(({ startSeconds }) => startSeconds >= end);

/** Books the intervals that lie within the run, of its GPUs. */
function take(
  run: RegisteredRun,
  intervals: readonly ChargedInterval[],
  devices: readonly Device[],
  pipeline: Pipeline | undefined,
): void {
  run.uuids ??= gpusOf(run.registration, devices);
  const { uuids, account, ledger, endSeconds } = run;
  if (uuids === undefined) return;
  const own = intervals.filter(
    (interval) =>
      uuids.has(interval.uuid) &&
      interval.startSeconds >= ledger.run.startSeconds &&
      (endSeconds === undefined || interval.endSeconds <= endSeconds),
  );
  if (own.length === 0) return;
  for (const { device, sensor } of pipeline?.devices() ?? []) {
    if (!uuids.has(device.uuid) || run.introduced.has(device.uuid)) continue;
    run.introduced.add(device.uuid);
    account.addDevice(device, sensor);
    void ledger.addDevice(device, sensor);
  }
  for (const interval of own) account.add(interval);
  void ledger.addSlot(own);
}

/** Undefined until there are devices to choose from; a list that names none of them means all, as for a wrapped run. */
function gpusOf(
  { gpus }: Registration,
  devices: readonly Device[],
): ReadonlySet<string> | undefined {
  const here = devices.filter(({ kind }) => kind === 'gpu');
  if (here.length === 0) return undefined;
  const all = new Set(here.map(({ uuid }) => uuid));
  if (gpus === undefined) return all;
  const selection = selectGpus({ option: gpus.join(','), environment: {}, devices: here });
  return selection.kind === 'selected' ? selection.uuids : all;
}

function summaryOf({ account, ledger, endSeconds }: RegisteredRun): RunSummary {
  const books = account.books({ endSeconds: endSeconds ?? ledger.run.startSeconds });
  return {
    ...ledger.run,
    state: endSeconds === undefined ? 'open' : 'closed',
    ...(endSeconds === undefined ? {} : { endSeconds }),
    ...gpuEnergyOf(books.devices),
  };
}
