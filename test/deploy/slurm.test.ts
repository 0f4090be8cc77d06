import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { describe, expect, test, vi } from 'vitest';

import { parseReport } from '../../agent/report/schema.ts';
import { openWorkplace } from '../e2e/wattmeter.ts';
import { ask } from '../exporter/client.ts';
import { findProgram, needProgram } from '../system-program.ts';

const root = resolve(import.meta.dirname, '../../deploy/slurm');
const JOB = { SLURM_JOB_ID: '4711', SLURM_JOB_GPUS: '0,10', SLURM_JOB_USER: 'ann' };

interface Request {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly body: string;
}

/** An agent's socket in a folder of its own; `respond` says what the agent does with a request. */
class FakeAgent implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'wattmeter-slurm-'));
  readonly socket: string = join(this.folder, 'wattmeter.sock');
  readonly requests: Request[] = [];
  #server: Server | undefined;

  async listen(status: number | 'hang'): Promise<this> {
    this.#server = createServer((incoming, response) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        const body = Buffer.concat(chunks).toString('utf8');
        this.requests.push({ method: incoming.method, url: incoming.url, body });
        if (status !== 'hang') response.writeHead(status).end('{}');
      });
    });
    this.#server.listen(this.socket);
    await once(this.#server, 'listening');
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server?.closeAllConnections();
    if (this.#server !== undefined) await new Promise((closed) => this.#server?.close(closed));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Runs a script with exactly this environment, as slurmd does. */
async function runScript(
  name: 'prolog' | 'epilog',
  environment: Readonly<Record<string, string>>,
): Promise<{ code: number | null; output: string }> {
  const child = spawn(join(root, `wattmeter-${name}.sh`), [], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

const IN_PEACE = { code: 0, output: '' };

describe('the prolog', () => {
  test('opens a run with the name, the GPUs and the labels that Slurm knows', async (context) => {
    needProgram(context, 'curl');
    await using agent = await new FakeAgent().listen(201);
    const facts = {
      SLURM_JOB_NAME: 'train',
      SLURM_JOB_ACCOUNT: 'physics',
      SLURM_JOB_PARTITION: 'gpu',
      SLURM_CLUSTER_NAME: 'east',
      SLURM_ARRAY_JOB_ID: '4700',
      SLURM_ARRAY_TASK_ID: '11',
    };
    const environment = { ...JOB, ...facts, WATTMETER_SOCKET: agent.socket };
    expect(await runScript('prolog', environment)).toEqual(IN_PEACE);
    expect(agent.requests.map(({ method, url }) => [method, url])).toEqual([['POST', '/v1/runs']]);
    expect(JSON.parse(agent.requests[0]?.body ?? '')).toEqual({
      id: 'slurm-4711',
      name: 'train',
      labels: {
        slurm_job_id: '4711',
        slurm_user: 'ann',
        slurm_account: 'physics',
        slurm_partition: 'gpu',
        slurm_cluster: 'east',
        slurm_array_job_id: '4700',
        slurm_array_task_id: '11',
      },
      gpus: ['0', '10'],
    });
  });

  test.for([
    ['quotes and backslashes', String.raw`a"b\c`, String.raw`a"b\c`],
    ['control characters, which go,', 'a\nb\tc\u0007d', 'abcd'],
    ['letters of any alphabet', 'Größe 模型', 'Größe 模型'],
    ['commands', '$(touch x); `id` %s', '$(touch x); `id` %s'],
  ] as const)('writes a name with %s as JSON', async ([, name, expected], context) => {
    needProgram(context, 'curl');
    await using agent = await new FakeAgent().listen(201);
    const environment = { ...JOB, SLURM_JOB_NAME: name, WATTMETER_SOCKET: agent.socket };
    expect(await runScript('prolog', environment)).toEqual(IN_PEACE);
    expect(JSON.parse(agent.requests[0]?.body ?? '')).toMatchObject({ name: expected });
  });

  test('leaves out what Slurm does not say', async (context) => {
    needProgram(context, 'curl');
    await using agent = await new FakeAgent().listen(201);
    const { SLURM_JOB_USER: _user, ...job } = JOB;
    await runScript('prolog', { ...job, WATTMETER_SOCKET: agent.socket });
    expect(JSON.parse(agent.requests[0]?.body ?? '')).toEqual({
      id: 'slurm-4711',
      name: 'slurm-4711',
      labels: { slurm_job_id: '4711' },
      gpus: ['0', '10'],
    });
  });

  test('asks for no run when the job has no GPU here, or no number', async () => {
    await using agent = await new FakeAgent().listen(201);
    const socket = { WATTMETER_SOCKET: agent.socket };
    const { SLURM_JOB_GPUS: _gpus, ...withoutGpus } = JOB;
    expect(await runScript('prolog', { ...withoutGpus, ...socket })).toEqual(IN_PEACE);
    expect(await runScript('prolog', { ...JOB, SLURM_JOB_ID: '../x', ...socket })).toEqual(
      IN_PEACE,
    );
    expect(await runScript('prolog', socket)).toEqual(IN_PEACE);
    expect(agent.requests).toEqual([]);
  });
});

test('the epilog closes the run', async (context) => {
  needProgram(context, 'curl');
  await using agent = await new FakeAgent().listen(200);
  expect(await runScript('epilog', { ...JOB, WATTMETER_SOCKET: agent.socket })).toEqual(IN_PEACE);
  expect(agent.requests).toEqual([{ method: 'DELETE', url: '/v1/runs/slurm-4711', body: '' }]);
});

describe.each(['prolog', 'epilog'] as const)('the %s never fails a job', (name) => {
  test('without an agent', async () => {
    expect(await runScript(name, { ...JOB, WATTMETER_SOCKET: '/nonexistent' })).toEqual(IN_PEACE);
  });

  test('with a file where the socket should be', async () => {
    await using agent = new FakeAgent();
    writeFileSync(agent.socket, '');
    expect(await runScript(name, { ...JOB, WATTMETER_SOCKET: agent.socket })).toEqual(IN_PEACE);
  });

  test('with an agent that refuses', async () => {
    await using agent = await new FakeAgent().listen(500);
    expect(await runScript(name, { ...JOB, WATTMETER_SOCKET: agent.socket })).toEqual(IN_PEACE);
  });

  test('with an agent that hangs, for which it waits two seconds and no more', async (context) => {
    needProgram(context, 'curl');
    await using agent = await new FakeAgent().listen('hang');
    const before = performance.now();
    expect(await runScript(name, { ...JOB, WATTMETER_SOCKET: agent.socket })).toEqual(IN_PEACE);
    expect(agent.requests).toHaveLength(1);
    // Two seconds by curl's own clock; the rest is a loaded machine's.
    expect(performance.now() - before).toBeLessThan(8000);
  });

  test('without curl', async () => {
    await using agent = await new FakeAgent().listen(201);
    for (const program of ['sed', 'tr', 'printf']) {
      const path = findProgram(program);
      if (path !== undefined) symlinkSync(path, join(agent.folder, program));
    }
    const environment = { ...JOB, PATH: agent.folder, WATTMETER_SOCKET: agent.socket };
    expect(await runScript(name, environment)).toEqual(IN_PEACE);
    expect(agent.requests).toEqual([]);
  });
});

test('a job between prolog and epilog has its run at a live agent, and its bill in the agent’s ledger', async (context) => {
  needProgram(context, 'curl');
  const patience = { timeout: 40_000, interval: 100 };
  const gpu = (index: number) => ({
    uuid: `GPU-0000000${index}-aaaa-4000-8000-000000000000`,
    load: [{ kind: 'constant', watts: 100 * (index + 1) }],
  });
  using place = openWorkplace({ gpus: [gpu(0), gpu(1), gpu(2)] });
  const listen = ['--web.listen-address', '127.0.0.1:0'];
  await using agent = place.start(['agent', '--state-dir', place.stateDirectory, ...listen]);
  const [, url = ''] = await agent.says(/serving (http:\S+)/);
  const hasSeries = (pattern: RegExp): Promise<void> =>
    vi.waitFor(async () => expect((await ask(`${url}/metrics`)).text).toMatch(pattern), patience);
  await hasSeries(/^wattmeter_gpu_energy_joules_total\{gpu="2"/m);
  const job = {
    ...JOB,
    SLURM_JOB_GPUS: '0,2',
    SLURM_JOB_NAME: 'train "it"',
    WATTMETER_SOCKET: join(place.stateDirectory, 'wattmeter.sock'),
  };
  expect(await runScript('prolog', job)).toEqual(IN_PEACE);
  // A prolog may run twice.
  expect(await runScript('prolog', job)).toEqual(IN_PEACE);
  await hasSeries(/^wattmeter_run_gpu_energy_joules_total\{run="[^"]+",name="slurm-4711"\} [1-9]/m);
  expect(await runScript('epilog', job)).toEqual(IN_PEACE);
  await vi.waitFor(async () => {
    expect((await ask(`${url}/metrics`)).text).not.toMatch(/^wattmeter_run_gpu_energy/m);
  }, patience);
  await vi.waitFor(async () => {
    expect((await place.run(['runs'])).stdout).toMatch(/closed .*slurm-4711/);
  }, patience);
  const options = ['--state-dir', place.stateDirectory, '--format', 'json'];
  const { stdout } = await place.run(['report', 'slurm-4711', ...options]);
  const { run, devices, energy } = parseReport(stdout, 'stdout');
  expect(devices.map(({ index }) => index)).toEqual([0, 2]);
  expect(run.labels).toEqual({ name: 'train "it"', slurm_job_id: '4711', slurm_user: 'ann' });
  expect(energy.gpuJoules).toBeGreaterThan(0);
  expect(devices[1]?.powerMeanWatts).toBeCloseTo(300, -1);
});
