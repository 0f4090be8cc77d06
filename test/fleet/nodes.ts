// Real nodes: an agent on simulated NVML that is killed and comes back, runs that are registered with it, and commands that
// are wrapped beside it.

import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { dirname } from 'node:path';

import { expect, vi } from 'vitest';

import type { Report } from '../../agent/report/report.ts';
import { parseReport } from '../../agent/report/schema.ts';
import { trueEnergy, type GpuScenario, type SimulatedGpu } from '../doubles/gpu-scenario.ts';
import { SCENARIO_VARIABLE, writeScenario } from '../doubles/libnvidia-ml.ts';
import { scrapeCounters } from '../e2e/scrape.ts';
import { openWorkplace, type Running, type Workplace } from '../e2e/wattmeter.ts';
import { ask } from '../exporter/client.ts';
import { wallSeconds } from './agents.ts';

// Seconds after the scenario's origin. Next to nothing is drawn at the ends of the job and while an agent is away: what
// Prometheus cannot know exactly holds no energy, and the rest has to agree.
const BASE_WATTS = 0.2;
const FIRST_LOAD = { kind: 'step', from: 9, to: 12, watts: 300 } as const;
const SECOND_LOAD = { kind: 'step', from: 24, to: 27, watts: 350 } as const;

const PATIENCE = { timeout: 60_000, interval: 100 };
const PRICED = ['--price', '0.25', '--currency', 'EUR', '--zone', 'DEU', '--pue', '1.2'];

/** A machine of its own as far as Wattmeter can see. */
class Node implements AsyncDisposable {
  readonly #place: Workplace = openWorkplace();
  readonly #env: NodeJS.ProcessEnv;
  readonly target: string;
  #agent: Running | undefined;

  constructor(library: string, scenario: GpuScenario, port: number) {
    this.target = `127.0.0.1:${port}`;
    this.#env = {
      LD_LIBRARY_PATH: dirname(library),
      [SCENARIO_VARIABLE]: writeScenario(scenario),
      WATTMETER_SOURCE: 'nvml',
    };
  }

  /** A file for its report. */
  get reportFile(): string {
    return this.#place.path('report.json');
  }

  /** Starts the agent; it has read its GPUs when this resolves. */
  async start(): Promise<void> {
    const { stateDirectory } = this.#place;
    const options = ['--state-dir', stateDirectory, '--web.listen-address', this.target];
    this.#agent = this.#place.start(['agent', ...options, ...PRICED], { env: this.#env });
    await this.#agent.says(/serving http/);
    await vi.waitFor(
      async () => expect((await ask(`http://${this.target}/-/ready`)).status).toBe(200),
      PATIENCE,
    );
  }

  /** Resolves when its counters hold at least so much energy, all GPUs together. */
  async holds(energyJoules: number): Promise<void> {
    await vi.waitFor(async () => {
      const counters = await scrapeCounters(`http://${this.target}`);
      const energies = [...counters].filter(([series]) =>
        series.startsWith('wattmeter_gpu_energy_joules_total'),
      );
      const sum = energies.reduce((total, [, value]) => total + value, 0);
      expect(sum).toBeGreaterThan(energyJoules);
    }, PATIENCE);
  }

  async kill(): Promise<void> {
    this.#agent?.kill('SIGKILL');
    await this.#agent?.ended;
  }

  /** Wraps a command beside the agent, which ends with `endJob`; its report is then in the file. */
  startJob(): Running {
    const options = ['run', '--quiet', '--name', 'job', '--report-json', this.reportFile];
    const command = ['sh', '-c', 'until [ -e ended ]; do sleep 0.1; done'];
    return this.#place.start([...options, ...PRICED, '--', ...command], { env: this.#env });
  }

  endJob(): void {
    writeFileSync(this.#place.path('ended'), '');
  }

  /** Opens a run as a batch system's prolog does, closes it as its epilog does; returns the answer's status. */
  register(method: 'POST' | 'DELETE'): Promise<number> {
    const socketPath = `${this.#place.stateDirectory}/wattmeter.sock`;
    const path = method === 'POST' ? '/v1/runs' : '/v1/runs/job';
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath, path, method }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      sent.once('error', reject);
      sent.end(method === 'POST' ? '{"id":"job"}' : undefined);
    });
  }

  /** `wattmeter report` there. */
  async report(argv: readonly string[]): Promise<Report> {
    const options = ['--state-dir', this.#place.stateDirectory, '--format', 'json'];
    const { code, stdout, stderr } = await this.#place.run(['report', ...argv, ...options]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return parseReport(stdout, 'stdout');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    this.#place[Symbol.dispose]();
  }
}

/** Two GPUs of a node; one without a counter is metered by its power alone. */
function simulatedGpus(node: number, hasCounter: boolean): SimulatedGpu[] {
  const sensor = { window: 0.025, period: 0.1 };
  return [0, 1].map((index) => ({
    uuid: `GPU-0000000${node}-aaaa-4000-8000-00000000000${index}`,
    base: BASE_WATTS,
    loads: [FIRST_LOAD, SECOND_LOAD],
    draw: sensor,
    instant: sensor,
    limit: [400, 450] as const,
    ...(hasCounter && { counter: { period: 0.02 } }),
  }));
}

/** Three nodes whose loads begin with the same origin. */
export interface Nodes extends AsyncDisposable {
  readonly first: Node;
  /** Its GPUs have no energy counter. */
  readonly second: Node;
  readonly third: Node;
  readonly originSeconds: number;
}

/** Opens them; nothing runs there yet. */
export function openNodes(library: string, ports: readonly [number, number, number]): Nodes {
  const [originSeconds, originNanoseconds] = [wallSeconds(), process.hrtime.bigint()];
  const open = (node: 0 | 1 | 2): Node =>
    new Node(library, { originNanoseconds, gpus: simulatedGpus(node, node !== 1) }, ports[node]);
  const [first, second, third] = [open(0), open(1), open(2)];
  return {
    first,
    second,
    third,
    originSeconds,
    async [Symbol.asyncDispose]() {
      for (const node of [first, second, third]) await node[Symbol.asyncDispose]();
    },
  };
}

/** What all of them drew, by the closed form. */
export const trueEnergyOf = ({ originSeconds }: Nodes, { start, end }: Span): number =>
  simulatedGpus(0, true).reduce(
    (sum, gpu) => sum + 3 * trueEnergy(gpu, start - originSeconds, end - originSeconds),
    0,
  );

/** Runs a job on three nodes, two of which register it; beside the third, which is killed and comes back, it is wrapped. */
export async function runOnNodes(
  { first, second, third, originSeconds }: Nodes,
  isScrapedPast: (time: number) => Promise<void>,
): Promise<Span> {
  const nodes = [first, second, third];
  const after = (seconds: number): number => originSeconds + seconds;
  await Promise.all(nodes.map((node) => node.start()));
  expect(await Promise.all([first.register('POST'), second.register('POST')])).toEqual([201, 201]);
  await using job = third.startJob();
  const start = wallSeconds();
  // A machine so slow that somebody is late proves nothing.
  expect(start).toBeLessThan(after(FIRST_LOAD.from));
  await vi.waitFor(
    () => expect(wallSeconds()).toBeGreaterThan(after(FIRST_LOAD.to + 0.5)),
    PATIENCE,
  );
  const drawn = 2 * FIRST_LOAD.watts * (FIRST_LOAD.to - FIRST_LOAD.from);
  await third.holds(0.99 * drawn);
  await third.kill();
  await third.start();
  expect(wallSeconds()).toBeLessThan(after(SECOND_LOAD.from));
  const all = drawn + 2 * SECOND_LOAD.watts * (SECOND_LOAD.to - SECOND_LOAD.from);
  await vi.waitFor(
    () => expect(wallSeconds()).toBeGreaterThan(after(SECOND_LOAD.to + 0.5)),
    PATIENCE,
  );
  await Promise.all(nodes.map((node) => node.holds(0.99 * all)));
  // Counters lag by a slot, and the end lies between two scrapes: the later step must hold nothing either.
  await isScrapedPast(wallSeconds() + 1);
  const end = wallSeconds();
  expect(await Promise.all([first.register('DELETE'), second.register('DELETE')])).toEqual([
    200, 200,
  ]);
  third.endJob();
  expect((await job.ended).code).toBe(0);
  return { start, end };
}

/** When the job began and ended, seconds since 1970. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The report of a node's run, once its books are closed. */
export const storedReport = (node: Node, { end }: Span): Promise<Report> =>
  vi.waitFor(async () => {
    const report = await node.report(['job', '--report-json', node.reportFile]);
    expect(Date.parse(report.run.endTime) / 1e3).toBeGreaterThan(end);
    return report;
  }, PATIENCE);
