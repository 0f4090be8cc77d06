// Simulated agents: real exporters in this process whose counters follow closed forms, read at the very moment of the
// scrape, and a real Prometheus that scrapes them all.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { DeviceSnapshot, Snapshot, SnapshotPort } from '../../agent/snapshot.ts';
import { grams, joules, seconds } from '../../agent/units.ts';
import { startExporter, type Exporter } from '../../exporter/server.ts';
import { someGpu, someSnapshot, someTotals } from '../exporter/a-snapshot.ts';

/** When an agent lives and measures; counters stand still between its lives. */
export interface Life {
  readonly startSeconds: number;
  endSeconds: number;
}

/** What all the fleet does: idle, then a job of this length, then idle again. */
export interface Job {
  startSeconds: number;
  readonly lengthSeconds: number;
}

export const wallSeconds = (): number => Date.now() / 1e3;

export const PRICE = 0.25;
export const PUE = 1.1;
export const INTENSITY = 344;
const UNCERTAINTY = 0.05;
// Prometheus stamps a scrape before it asks, and a loaded machine answers late: little power at the edges of the span
// keeps that delay out of the comparison.
const IDLE_WATTS = 20;

/** A GPU whose power rises and falls as sin² over the job, each to its own peak. */
export class SimulatedGpu {
  readonly uuid: string;
  readonly #job: Job;
  readonly #peak: number;
  /** What the counter holds from earlier days, in seconds and joules. */
  readonly #before: number;
  /** The books were lost at this time: the counter began at 0. */
  resetSeconds = -Infinity;

  constructor(job: Job, node: number, index: number) {
    const position = node * 8 + index;
    this.uuid = `GPU-${String(position).padStart(8, '0')}-aaaa-bbbb-cccc-0123456789ab`;
    this.#job = job;
    this.#peak = 300 + 2 * position;
    this.#before = (position % 3) * 1e6;
  }

  /** ∫P dt from the job's start to `time`: ∫sin² = x/2 − sin(2x)/4. */
  #integral(time: number): number {
    const { startSeconds, lengthSeconds } = this.#job;
    const elapsed = time - startSeconds;
    const within = Math.min(lengthSeconds, Math.max(0, elapsed));
    const phase = (Math.PI * within) / lengthSeconds;
    const rise = (lengthSeconds / Math.PI) * (phase / 2 - Math.sin(2 * phase) / 4);
    return IDLE_WATTS * elapsed + this.#peak * rise;
  }

  /** Energy measured from `from` to `to` over the lives, J: the truth. */
  measured(lives: readonly Life[], from: number, to: number): number {
    return parts(lives, from, to).reduce(
      (total, [start, end]) => total + this.#integral(end) - this.#integral(start),
      0,
    );
  }

  /** What the counters show at `time`. */
  countersAt(lives: readonly Life[], time: number): { energy: number; observed: number } {
    const isNew = time >= this.resetSeconds;
    const from = isNew ? this.resetSeconds : -Infinity;
    const before = isNew && from > -Infinity ? 0 : this.#before;
    const observed = parts(lives, from, time).reduce((sum, [start, end]) => sum + end - start, 0);
    return {
      energy: before * IDLE_WATTS + this.measured(lives, from, time),
      observed: before + observed,
    };
  }
}

/** The lives' parts from `from` to `to`. */
const parts = (lives: readonly Life[], from: number, to: number): (readonly [number, number])[] =>
  lives
    .map(({ startSeconds, endSeconds }) => [Math.max(startSeconds, from), Math.min(endSeconds, to)])
    .filter((part): part is [number, number] => (part[1] ?? 0) > (part[0] ?? 0));

function gpuAt(gpu: SimulatedGpu, index: number, lives: readonly Life[]): DeviceSnapshot {
  const { energy, observed } = gpu.countersAt(lives, wallSeconds());
  const facility = (energy * PUE) / 3.6e6;
  const { device } = someGpu(index);
  return someGpu(index, {
    device: { ...device, uuid: gpu.uuid },
    totals: someTotals({
      energyJoules: joules(energy),
      uncertaintyJoules: joules(UNCERTAINTY * energy),
      observedSeconds: seconds(observed),
      gapSeconds: {},
      costAmount: facility * PRICE,
      creditAmount: 0,
      locationBasedGrams: grams(facility * INTENSITY),
    }),
  });
}

/** One agent: eight GPUs behind an exporter that can be stopped and started again on its port. */
export class SimulatedAgent implements AsyncDisposable {
  readonly gpus: readonly SimulatedGpu[];
  readonly lives: Life[] = [];
  #exporter: Exporter | undefined;
  #port = 0;

  constructor(job: Job, node: number) {
    this.gpus = Array.from({ length: 8 }, (_, index) => new SimulatedGpu(job, node, index));
  }

  get target(): string {
    return `127.0.0.1:${this.#port}`;
  }

  #snapshot(): Snapshot {
    return someSnapshot({
      devices: this.gpus.map((gpu, index) => gpuAt(gpu, index, this.lives)),
      powerUsageEffectiveness: PUE,
    });
  }

  async start(): Promise<void> {
    let newest: Snapshot | undefined;
    const snapshots: SnapshotPort = {
      // All families of a scrape are collected in one turn of the event loop, and see one snapshot.
      latest: () => {
        if (newest === undefined) {
          newest = this.#snapshot();
          setImmediate(() => (newest = undefined));
        }
        return newest;
      },
      subscribe: () => () => undefined,
    };
    this.lives.push({ startSeconds: wallSeconds(), endSeconds: Infinity });
    this.#exporter = await startExporter({
      listenAddresses: [`127.0.0.1:${this.#port}`],
      snapshots,
    });
    this.#port = this.#exporter.addresses[0]?.port ?? 0;
  }

  async stop(): Promise<void> {
    const life = this.lives.at(-1);
    if (life !== undefined) life.endSeconds = Math.min(life.endSeconds, wallSeconds());
    await this.#exporter?.[Symbol.asyncDispose]();
    this.#exporter = undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolved) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolved(port));
    });
  });
}

/** A running Prometheus. */
export interface RealPrometheus extends AsyncDisposable {
  readonly url: string;
  /** An instant query's one value; undefined while there is none. */
  value(expression: string): Promise<number | undefined>;
}

interface VectorAnswer {
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}

/** Starts a Prometheus that scrapes these targets once a second as the job `wattmeter`. */
export async function startPrometheus(
  program: string,
  targets: readonly string[],
): Promise<RealPrometheus> {
  const directory = mkdtempSync(join(tmpdir(), 'wattmeter-fleet-'));
  const port = await freePort();
  const config = join(directory, 'prometheus.yml');
  writeFileSync(
    config,
    JSON.stringify({
      global: { scrape_interval: '1s', scrape_timeout: '1s' },
      scrape_configs: [{ job_name: 'wattmeter', static_configs: [{ targets }] }],
    }),
  );
  const child = spawn(
    program,
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  );
  const ended = new Promise((resolved) => child.once('exit', resolved));
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    async value(expression) {
      const query = `${url}/api/v1/query?query=${encodeURIComponent(expression)}`;
      const response = await fetch(query).catch(() => undefined);
      if (response?.ok !== true) return undefined;
      const { data } = (await response.json()) as VectorAnswer;
      const text = data.result[0]?.value[1];
      return text === undefined ? undefined : Number(text);
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
