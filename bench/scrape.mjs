// How long a scrape takes (promised: p99 ≤ 5 ms for 8 GPUs at 50 scrapes/s while sampling at 10 Hz, ≤ 25 ms for 72 GPUs
// with 500 jobs), how large it is and how many series it holds. Simulated: the GPUs and jobs are made up here, every value
// changes ten times a second, and the exporter runs in a process of its own.
//
//   npm run build && node bench/scrape.mjs [SECONDS] [DIST]
//   node bench/scrape.mjs [SECONDS] http://localhost:10360/metrics    an agent that runs already
//
// Scrapes are sent by the clock, whether or not the last one has been answered, over kept-alive connections, as Prometheus
// does; the time is from sending to the last byte. CPU is the serving process's own, per scrape, everything else that it
// does included: on a busy machine it says more than the times do. The floor is `/-/healthy`, a few bytes, asked the same
// way: what this machine and Node make of any request.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';

const PUBLICATIONS_PER_SECOND = 10;
const WARM_UP_SCRAPES = 100;
const CASES = [
  { name: '8 GPUs', gpus: 8, jobs: 8, perSecond: 50, limitMilliseconds: 5 },
  { name: '72 GPUs, 500 jobs', gpus: 72, jobs: 500, perSecond: 10, limitMilliseconds: 25 },
];

/** A node after `ticks` publications: every number that can change does. */
function snapshotOf({ gpus, jobs }, ticks) {
  const uuidOf = (index) => `GPU-${String(index).padStart(8, '0')}-5a5a-5a5a-5a5a-5a5a5a5a5a5a`;
  const energyJoules = 1e6 + ticks * 31.25;
  const totals = {
    energyJoules,
    uncertaintyJoules: energyJoules / 50,
    observedSeconds: ticks / PUBLICATIONS_PER_SECOND,
    gapSeconds: { 'no-reading': 2, timeout: 1 },
    method: 'counter',
    costAmount: energyJoules / 1.44e7,
    creditAmount: 0,
    locationBasedGrams: energyJoules / 1e4,
    marketBasedGrams: energyJoules / 3e4,
  };
  return {
    takenSeconds: 1.8e9 + ticks / PUBLICATIONS_PER_SECOND,
    startedSeconds: 1.8e9,
    version: '0.0.0',
    revision: 'bench',
    live: false,
    powerUsageEffectiveness: 1.1,
    devices: Array.from({ length: gpus }, (_, index) => ({
      device: {
        uuid: uuidOf(index),
        index,
        kind: 'gpu',
        model: 'NVIDIA H200',
        source: 'nvml',
        driverVersion: '570.124.06',
        pciBusId: `00000000:${index.toString(16).padStart(2, '0')}:00.0`,
        ratedPowerWatts: 700,
        powerOrigin: 'measured',
      },
      sensor: { field: 'counter', origin: 'inferred' },
      powerWatts: 300 + ((ticks + index) % 100),
      gauges: {
        utilizationRatio: ((ticks + index) % 100) / 100,
        memoryUsedBytes: 1e10 + ticks,
        memoryTotalBytes: 1.5e11,
        temperatureCelsius: 40 + ((ticks + index) % 40),
        smClockHertz: 1.98e9,
        powerLimitWatts: 700,
      },
      totals,
      hardwareToIntegralRatio: 1 + (ticks % 7) / 1000,
      xidErrors: {},
      present: true,
    })),
    sources: [
      {
        kind: 'nvml',
        up: true,
        lastSuccessSeconds: 1.8e9 + ticks / PUBLICATIONS_PER_SECOND,
        errorsByReason: { timeout: 3 },
        sampleCount: ticks * gpus,
        readDurationBuckets: Array.from({ length: 13 }, () => ticks),
        readDurationSumSeconds: ticks / 1000,
        readDurationCount: ticks,
      },
    ],
    openRuns: [],
    budgets: [],
    price: { currency: 'EUR', tariff: 'flat', perKilowattHour: 0.25, provenance: 'assumed' },
    grid: {
      zone: 'DEU',
      dataset: 'Ember',
      vintage: '2025',
      gramsPerKilowattHour: 344,
      provenance: 'measured',
    },
    jobs: Array.from({ length: jobs }, (_, job) => ({
      kind: 'slurm',
      jobId: String(100_000 + job),
      user: `user${job % 40}`,
      uuid: uuidOf(job % gpus),
      energyJoules: 1e5 + ticks * 3.125 + job,
    })),
    unattributed: Array.from({ length: gpus }, (_, index) => ({
      uuid: uuidOf(index),
      energyJoules: 1e4 + ticks * 6.25,
    })),
    host: [
      {
        component: 'package-0',
        energyJoules: 1e5 + ticks * 12.5,
        uncertaintyJoules: 7.8e3 + ticks * 0.975,
        provenance: 'measured',
      },
    ],
  };
}

/** The exporter's process: serves until its standard input ends. */
async function serve(dist, fleet) {
  const { startExporter } = await import(pathToFileURL(resolve(dist, 'exporter/server.js')).href);
  let ticks = 1;
  let newest = snapshotOf(fleet, ticks);
  const listeners = new Set();
  const exporter = await startExporter({
    listenAddresses: ['127.0.0.1:0'],
    snapshots: {
      latest: () => newest,
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
  });
  const clock = setInterval(() => {
    newest = snapshotOf(fleet, (ticks += 1));
    for (const listener of listeners) listener(newest);
  }, 1000 / PUBLICATIONS_PER_SECOND);
  console.log(`${exporter.addresses[0].url}/metrics`);
  process.stdin.resume();
  await once(process.stdin, 'end');
  clearInterval(clock);
  await exporter[Symbol.asyncDispose]();
  process.exit(0);
}

function scrape(url, agent, encoding) {
  const before = performance.now();
  return new Promise((done, failed) => {
    const headers = { 'Accept-Encoding': encoding };
    get(url, { agent, headers }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.once('error', failed);
      response.once('end', () => {
        const milliseconds = performance.now() - before;
        if (response.statusCode !== 200) failed(new Error(`${url} said ${response.statusCode}.`));
        const body = Buffer.concat(chunks);
        done({ milliseconds, body, isZipped: response.headers['content-encoding'] === 'gzip' });
      });
    }).once('error', failed);
  });
}

const textOf = ({ body, isZipped }) => (isZipped ? gunzipSync(body) : body).toString('utf8');
const cpuSecondsOf = (answer) =>
  Number(/^process_cpu_seconds_total (\S+)/m.exec(textOf(answer))?.[1] ?? Number.NaN);

/** Asks `timedUrl` by the clock; what the serving process used meanwhile is asked of `url`. */
async function measure(url, timedUrl, { perSecond, encoding, seconds }) {
  const agent = new Agent({ keepAlive: true });
  for (let warm = 0; warm < WARM_UP_SCRAPES; warm += 1) await scrape(timedUrl, agent, encoding);
  const first = await scrape(url, agent, encoding);
  const pending = [];
  await new Promise((done) => {
    const clock = setInterval(() => {
      pending.push(scrape(timedUrl, agent, encoding));
      if (pending.length < perSecond * seconds) return;
      clearInterval(clock);
      done();
    }, 1000 / perSecond);
  });
  const answers = await Promise.all(pending);
  const last = await scrape(url, agent, encoding);
  agent.destroy();
  const sorted = answers.map(({ milliseconds }) => milliseconds).toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
  return {
    p50: at(0.5),
    p99: at(0.99),
    worst: at(1),
    cpu: ((cpuSecondsOf(last) - cpuSecondsOf(first)) / (answers.length + 1)) * 1000,
    bytes: answers[0].body.length,
    series: textOf(answers[0])
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#')).length,
  };
}

const COLUMNS = [
  ['', 22],
  ['scrapes/s', 11],
  ['encoding', 10],
  ['p50 ms', 9],
  ['p99 ms', 9],
  ['max ms', 9],
  ['limit ms', 10],
  ['CPU ms', 9],
  ['bytes', 10],
  ['series', 8],
];
const printRow = (cells) =>
  console.log(
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(COLUMNS[0][1]) : String(cell).padStart(COLUMNS[column][1]),
      )
      .join(''),
  );

function printFigures({ name, perSecond, limitMilliseconds = '–' }, encoding, figures) {
  const { p50, p99, worst, cpu, bytes, series } = figures;
  const times = [p50, p99, worst].map((value) => value.toFixed(2));
  const counts = [cpu.toFixed(2), bytes, series];
  printRow([name, perSecond, encoding, ...times, limitMilliseconds, ...counts]);
}

async function measureAndPrint(url, one, seconds) {
  for (const encoding of ['gzip', 'identity']) {
    const figures = await measure(url, url, { ...one, encoding, seconds });
    printFigures(one, encoding, figures);
    if (figures.p99 > one.limitMilliseconds) process.exitCode = 1;
  }
  const floor = { name: 'the floor', perSecond: one.perSecond };
  const healthy = new URL('/-/healthy', url).href;
  const figures = await measure(url, healthy, { ...floor, encoding: 'identity', seconds });
  printFigures(floor, '–', { ...figures, series: '–' });
}

async function main(seconds, target) {
  printRow(COLUMNS.map(([title]) => title));
  if (target.startsWith('http')) {
    await measureAndPrint(target, { name: 'this agent', perSecond: 50 }, seconds);
    return;
  }
  for (const one of CASES) {
    const args = [import.meta.filename, 'serve', target, JSON.stringify(one)];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const closed = once(child, 'close').then(([code]) => {
      if (code !== 0) throw new Error(`The exporter from ${target} ended (${code}). Is it built?`);
    });
    const [url] = await Promise.race([
      once(createInterface({ input: child.stdout }), 'line'),
      closed.then(() => []),
    ]);
    await measureAndPrint(url, one, seconds);
    child.stdin.end();
    await closed;
  }
}

const [first = '20', second, third] = process.argv.slice(2);
if (first === 'serve') await serve(second, JSON.parse(third));
else await main(Number(first), second ?? resolve(import.meta.dirname, '../dist'));
