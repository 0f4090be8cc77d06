// CPU of the NVML source at 10 Hz over 8 GPUs with calls of 0.3 ms, beside a bare worker that makes the same calls
// (power and counter at 10 Hz, the slow values at 1 Hz). Simulated: the driver is test/doubles/libnvidia-ml.
//
//   npm run build && node bench/nvml-overhead.mjs [SECONDS] [DIST]
//
// Both sides run at once, each in a process of its own; CPU is the process's own user + system time after two minutes.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

import { buildStandIn } from './stand-in.mjs';

const GPUS = 8;
// An agent runs for days: V8 has long compiled by then what is called ten times a second. Here it is given two minutes.
const WARM_UP_SECONDS = 120;
const root = resolve(import.meta.dirname, '..');

const SCENARIO = `gpus ${GPUS}
gpu * base 60
gpu * square 0 inf 290 0.53 0.6
gpu * sensor instant 0.025 0.1
gpu * sensor average 1 0.1
gpu * counter 0.02
gpu * latency 0.0003
`;

/** The least that can be done: the same calls, the numbers thrown away. */
async function bareWorker(library) {
  const { default: koffi } = await import('koffi');
  const nvml = koffi.load(library);
  const call = (name, types) => nvml.func(name, 'int', types);
  const init = call('nvmlInit_v2', []);
  const handleAt = call('nvmlDeviceGetHandleByIndex_v2', ['uint32_t', 'void *']);
  const fields = call('nvmlDeviceGetFieldValues', ['void *', 'int32_t', 'void *']);
  const oneValue = ['void *', 'void *'];
  const energy = call('nvmlDeviceGetTotalEnergyConsumption', oneValue);
  const utilization = call('nvmlDeviceGetUtilizationRates', oneValue);
  const memory = call('nvmlDeviceGetMemoryInfo', oneValue);
  const limit = call('nvmlDeviceGetEnforcedPowerLimit', oneValue);
  const typed = ['void *', 'int32_t', 'void *'];
  const temperature = call('nvmlDeviceGetTemperature', typed);
  const clock = call('nvmlDeviceGetClockInfo', typed);

  init();
  const out = new BigUint64Array(8);
  const handles = Array.from({ length: GPUS }, (_, index) => {
    handleAt(index, out);
    return out[0];
  });
  const request = new Uint8Array(80);
  new DataView(request.buffer).setUint32(0, 186, true);
  new DataView(request.buffer).setUint32(40, 185, true);
  let tick = 0;
  setInterval(() => {
    for (const handle of handles) {
      fields(handle, 2, request);
      energy(handle, out);
    }
    if (tick++ % 10 !== 0) return;
    for (const handle of handles) {
      utilization(handle, out);
      memory(handle, out);
      temperature(handle, 0, out);
      clock(handle, 1, out);
      limit(handle, out);
    }
  }, 100);
}

async function source(library, dist) {
  const at = (path) => pathToFileURL(resolve(dist, path)).href;
  const { NvmlSource } = await import(at('agent/source/nvml.js'));
  const { openClock } = await import(at('agent/clock.js'));
  const nvml = new NvmlSource({
    clock: openClock(),
    libraryPath: library,
    sysfsRoot: '/nonexistent',
  });
  let readings = 0;
  for await (const event of nvml.events(new AbortController().signal)) {
    if (event.kind === 'batch') readings += event.batch.length;
  }
  return readings;
}

/** CPU seconds of this process over `seconds`, after it has warmed up. */
function measureSelf(seconds) {
  setTimeout(() => {
    const before = process.cpuUsage();
    const start = performance.now();
    setTimeout(() => {
      const { user, system } = process.cpuUsage(before);
      const cpu = (user + system) / 1e3 / (performance.now() - start);
      process.stdout.write(`${cpu} ${process.memoryUsage.rss()}\n`, () => process.exit(0));
    }, seconds * 1e3);
  }, WARM_UP_SECONDS * 1e3);
}

async function runSide(side, library, dist, seconds) {
  measureSelf(seconds);
  if (side === 'source') await source(library, dist);
  else new Worker(import.meta.filename, { workerData: { library } });
}

function buildLibrary() {
  const { directory, library } = buildStandIn();
  const scenario = join(directory, 'scenario.txt');
  writeFileSync(scenario, SCENARIO);
  return { library, scenario };
}

function measure(side, { library, scenario }, dist, seconds) {
  return new Promise((done) => {
    const args = [import.meta.filename, '--side', side, library, dist, String(seconds)];
    const child = spawn(process.execPath, args, {
      env: { ...process.env, WATTMETER_GPU_SCENARIO: scenario },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    child.on('close', () => {
      const [cpu, rss] = text.trim().split(' ').map(Number);
      done({ cpu, rss });
    });
  });
}

async function main() {
  const seconds = Number(process.argv[2] ?? 30);
  const dist = resolve(process.argv[3] ?? join(root, 'dist'));
  const stand = buildLibrary();
  const [bare, source] = await Promise.all(
    ['bare', 'source'].map((side) => measure(side, stand, dist, seconds)),
  );
  console.log(`${GPUS} GPUs, 10 Hz, calls of 0.3 ms, ${seconds} s (simulated driver)`);
  console.log('              CPU of one core   memory');
  for (const [name, { cpu, rss }] of [
    ['bare worker', bare],
    ['NvmlSource ', source],
  ]) {
    const percent = (100 * cpu).toFixed(2).padStart(10);
    console.log(`${name}   ${percent} %   ${(rss / 2 ** 20).toFixed(0).padStart(6)} MiB`);
  }
  console.log(`ratio         ${(source.cpu / bare.cpu).toFixed(2).padStart(10)}`);
}

if (!isMainThread) await bareWorker(workerData.library);
else if (process.argv[2] === '--side') {
  const [, , , side, library, dist, seconds] = process.argv;
  await runSide(side, library, dist, Number(seconds));
} else await main();
