// What only a process of its own can show: a library found by the loader, and the way out of a driver that hangs for ever.

import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';

import { expect, test } from 'vitest';

import { type GpuScenario, type SimulatedGpu } from '../../doubles/gpu-scenario.ts';
import { buildStandIn, SCENARIO_VARIABLE, writeScenario } from '../../doubles/libnvidia-ml.ts';
import { builtFile, originIn } from './harness.ts';

const gpu: SimulatedGpu = {
  base: 200,
  instant: { window: 0.1, period: 0.1 },
  counter: { period: 0.1 },
};

const PRELUDE = ['clock', 'exit', 'source/nvml']
  .map(
    (name) =>
      `import * as ${name.replace('source/', '')} from '${pathToFileURL(builtFile(`agent/${name}.js`)).href}';`,
  )
  .join('\n');

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function runScript(
  script: string,
  scenario: GpuScenario,
  environment: Record<string, string>,
): Promise<Ended> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', `${PRELUDE}\n${script}`], {
    env: { ...process.env, ...environment, [SCENARIO_VARIABLE]: writeScenario(scenario) },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

const readUntil = (condition: string, options = ''): string => `
  const source = new nvml.NvmlSource({ clock: clock.openClock(), sysfsRoot: '/nonexistent', ${options} });
  const abort = new AbortController();
  for await (const event of source.events(abort.signal)) if (${condition}) abort.abort();
`;

test('the library is found as the loader finds it, by LD_LIBRARY_PATH', async (context) => {
  const library = buildStandIn(context);
  const ended = await runScript(
    `${readUntil("event.kind === 'devices'")} console.log(source.inventory()[0].device.model);`,
    { originNanoseconds: originIn(0), gpus: [{ ...gpu, name: 'NVIDIA Found' }] },
    { LD_LIBRARY_PATH: dirname(library) },
  );
  expect(ended).toEqual({ code: 0, stdout: 'NVIDIA Found\n', stderr: '' });
});

test('a process whose driver hangs for ever still leaves at once, with its code and its last words', async (context) => {
  const library = buildStandIn(context);
  const ended = await runScript(
    `${readUntil("event.kind === 'fault'", `libraryPath: ${JSON.stringify(library)}`)}
     process.on('exit', () => console.log('never'));
     console.log(source.isStuck(), Date.now());
     process.stderr.write('last words');
     if (source.isStuck()) await exit.leave(7);`,
    {
      originNanoseconds: originIn(0),
      gpus: [{ ...gpu, faults: [{ kind: 'hang', from: 1, to: Infinity }] }],
    },
    {},
  );
  const endedAt = Date.now();
  const [stuck, saidAt] = ended.stdout.trim().split(' ');
  expect([ended.code, stuck, ended.stderr]).toEqual([7, 'true', 'last words']);
  expect(endedAt - Number(saidAt)).toBeLessThan(1_000);
});

test('without a hang a process ends by itself once the source is closed', async (context) => {
  const library = buildStandIn(context);
  const ended = await runScript(
    `${readUntil("event.kind === 'batch'", `libraryPath: ${JSON.stringify(library)}`)}
     console.log(source.isStuck());`,
    { originNanoseconds: originIn(0), gpus: [gpu] },
    {},
  );
  expect(ended).toEqual({ code: 0, stdout: 'false\n', stderr: '' });
});
