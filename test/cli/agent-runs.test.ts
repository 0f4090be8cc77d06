import { describe, expect, test, vi } from 'vitest';

import { openAgentRuns, type AgentRuns } from '../../agent/cli/agent-runs.ts';
import type { Context } from '../../agent/cli/context.ts';
import { openPricing } from '../../agent/cli/pricing.ts';
import type { Clock } from '../../agent/clock.ts';
import { listRuns } from '../../agent/ledger/runs.ts';
import type { ChargedInterval } from '../../agent/model.ts';
import type { Pipeline } from '../../agent/pipeline.ts';
import type { DeviceSnapshot, RunSummary } from '../../agent/snapshot.ts';
import { instant } from '../../agent/units.ts';
import { device, interval, sensor, START } from '../account-doubles.ts';
import { temporaryDirectory } from '../ledger/temporary.ts';

interface Agent extends AsyncDisposable {
  readonly runs: AgentRuns;
  /** The clock's time, seconds after START. */
  at(seconds: number): void;
  settle(...intervals: readonly ChargedInterval[]): void;
}

async function openAgent(stateDirectory: string, uuids: readonly string[]): Promise<Agent> {
  let now = START;
  const clock = { now: () => instant(now) } as Partial<Clock> as Clock;
  const devices = uuids.map((uuid, index) => ({
    device: { ...device(uuid), index },
    sensor,
  })) as Partial<DeviceSnapshot>[] as DeviceSnapshot[];
  const pipeline = {
    devices: () => devices,
    cut: () => undefined,
  } as Partial<Pipeline> as Pipeline;
  const stderr = { isTerminal: false, columns: 80, write: () => undefined };
  const context = { stderr, env: {}, version: 'test', processId: 1 } as Partial<Context> as Context;
  const runs = openAgentRuns({
    config: {},
    context,
    clock,
    pricing: await openPricing({}, context, clock),
    migParents: () => new Map(),
    stateDirectory,
    pipeline: () => pipeline,
  });
  return {
    runs,
    at: (seconds) => (now = START + seconds),
    settle: (...intervals) => runs.settle({ devices: [], intervals, warnings: [], xids: [] }),
    [Symbol.asyncDispose]: () => runs[Symbol.asyncDispose](),
  };
}

const stored = (stateDirectory: string): Promise<RunSummary> =>
  vi.waitFor(async () => {
    const [run] = await listRuns(stateDirectory);
    if (run?.state !== 'closed') throw new Error('The run is not closed yet.');
    return run;
  });

const register = (agent: Agent) =>
  agent.runs.change({ method: 'POST', path: '/v1/runs', body: { id: 'job' } });
const end = (agent: Agent) =>
  agent.runs.change({ method: 'DELETE', path: '/v1/runs/job', body: undefined });
/** One second of a GPU, seconds after START. */
const second = (uuid: string, at: number): ChargedInterval => interval({ uuid, at });

describe('a registered run', () => {
  test('that has ended waits for the last second of each of its GPUs, not only of the first', async () => {
    await using state = await temporaryDirectory();
    await using agent = await openAgent(state.path, ['GPU-a', 'GPU-b']);
    await register(agent);
    agent.settle(second('GPU-a', 0), second('GPU-b', 0));
    agent.at(2);
    await end(agent);
    agent.settle(second('GPU-a', 1), second('GPU-a', 2));
    agent.settle(second('GPU-b', 1));
    expect((await stored(state.path)).gpuJoules).toBe(4 * 250);
  });

  test('takes nothing that is metered after its end', async () => {
    await using state = await temporaryDirectory();
    await using agent = await openAgent(state.path, ['GPU-a']);
    await register(agent);
    agent.at(1);
    await end(agent);
    agent.settle(second('GPU-a', 0), second('GPU-a', 1));
    expect((await stored(state.path)).gpuJoules).toBe(250);
  });

  test('does not wait for ever for a GPU that tells nothing more', async () => {
    await using state = await temporaryDirectory();
    await using agent = await openAgent(state.path, ['GPU-a', 'GPU-b']);
    await register(agent);
    agent.at(1);
    await end(agent);
    agent.settle(second('GPU-a', 0));
    expect((await listRuns(state.path))[0]?.state).not.toBe('closed');
    agent.at(7);
    agent.settle();
    expect((await stored(state.path)).gpuJoules).toBe(250);
  });
});
