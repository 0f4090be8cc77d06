// How long it takes to price a stored year anew: 8 GPUs at one-minute energy (4,204,800 intervals) under a year of
// quarter-hour prices (35,040 rows). Promised: at most 2 s on the wall and 200 MB of memory. Simulated: the energies and
// prices are made up here; the run is written by Wattmeter's own ledger and priced by its own command.
//
//   npm run build && node bench/reprice.mjs [REPEATS] [DIST]
//   node bench/reprice.mjs [REPEATS] [DIST] --keep DIR    leaves the run in DIR, and finds it there again
//
// Making the run takes a minute and a half a gigabyte or two in the temporary directory, which is emptied again.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const GPUS = 8;
const MINUTES = 365 * 24 * 60;
const START_SECONDS = Date.UTC(2025, 0, 1) / 1000;
const PRICE_ROWS = 365 * 24 * 4;
const LIMIT_SECONDS = 2;
const LIMIT_MEGABYTES = 200;
const SLOTS_IN_FLIGHT = 128;

/** The same numbers on every machine, with all their digits: round ones would make the files smaller than real ones. */
function createNoise(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const isoOf = (seconds) => new Date(seconds * 1000).toISOString();

/** A year of quarter-hours: a daily swing, cheap nights, and an hour below zero now and then. */
function writePrices(path) {
  const noise = createNoise(2);
  const rows = Array.from({ length: PRICE_ROWS }, (_, row) => {
    const start = START_SECONDS + row * 900;
    const price = 70 + 60 * Math.sin((row / 96) * 2 * Math.PI - 2) + 80 * (noise() - 0.5);
    return `${isoOf(start)},${isoOf(start + 900)},${price.toFixed(2)}`;
  });
  writeFileSync(path, `start,end,value [EUR/MWh]\n${rows.join('\n')}\n`);
}

function intervalOf(uuid, minute, noise) {
  const energyJoules = 60 * (250 + 400 * noise());
  const startSeconds = START_SECONDS + minute * 60;
  return {
    uuid,
    startSeconds,
    endSeconds: startSeconds + 60,
    method: 'integral',
    energyJoules,
    observedSeconds: 60,
    gapSeconds: {},
    gapEstimateJoules: 0,
    gapEstimateUncertaintyJoules: 0,
    bridgedSeconds: 0,
    uncertainty: {
      gainJoules: energyJoules * 0.015,
      offsetJoules: 60,
      aliasJoules: 0,
      startEdgeJoules: 4 * noise(),
      endEdgeJoules: 4 * noise(),
      independentJoulesSquared: 9 * noise(),
    },
    powerMaxWatts: 700 - 20 * noise(),
    powerMinWatts: 100 + 20 * noise(),
    sampleCount: 600,
    wallOffsetSeconds: 0,
    utilizationRatio: Math.max(0, 1.2 * noise() - 0.2),
    charge: {
      facilityKilowattHours: energyJoules / 3.6e6,
      costAmount: energyJoules / 3.6e7,
      creditAmount: 0,
      gainCostAmount: (energyJoules * 0.015) / 3.6e7,
      offsetCostAmount: 60 / 3.6e7,
      aliasCostAmount: 0,
    },
  };
}

/** Writes the run through the ledger, as a wrapped command's Wattmeter does, and closes its books. */
async function writeRun(stateDirectory, dist) {
  const { createRunLedger } = await import(
    pathToFileURL(resolve(dist, 'agent/ledger/run-ledger.js')).href
  );
  const ledger = createRunLedger({
    stateDirectory,
    writer: { version: 'bench', pid: process.pid },
    flushSeconds: 1,
    onFault: ({ message }) => {
      throw new Error(message);
    },
    run: { name: 'year', host: 'bench', startSeconds: START_SECONDS, labels: {} },
  });
  const uuids = Array.from({ length: GPUS }, (_, index) => `GPU-${index}-5a5a-5a5a-5a5a-5a5a5a5a`);
  for (const [index, uuid] of uuids.entries()) {
    const device = { uuid, index, kind: 'gpu', model: 'NVIDIA H100', source: 'nvml' };
    await ledger.addDevice(
      { ...device, ratedPowerWatts: 700, powerOrigin: 'measured' },
      { field: 'instant', windowSeconds: 0.1, periodSeconds: 0.1, origin: 'table' },
    );
  }
  await ledger.addFacts({ pricing: { price: 0.1, currency: 'EUR' } });
  const noise = createNoise(1);
  for (let minute = 0; minute < MINUTES; minute += 1) {
    const kept = ledger.addSlot(uuids.map((uuid) => intervalOf(uuid, minute, noise)));
    if (minute % SLOTS_IN_FLIGHT === 0) await kept;
  }
  const isStored = await ledger.close({ endSeconds: START_SECONDS + MINUTES * 60, exitCode: 0 });
  if (!isStored) throw new Error('The run could not be stored. Is the disk full, or very busy?');
}

const REPORT_PEAK = `data:text/javascript,${encodeURIComponent(
  "import{writeSync}from'node:fs';process.on('exit',()=>writeSync(3,String(process.resourceUsage().maxRSS)))",
)}`;

/** One command from start to end: seconds on the wall and its peak of resident memory. */
function measure(args) {
  const launcher = resolve(import.meta.dirname, '../bin/wattmeter.js');
  const before = performance.now();
  const { stdout, stderr, status, output } = spawnSync(launcher, args, {
    encoding: 'utf8',
    maxBuffer: 1e9,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: `--import=${REPORT_PEAK}` },
  });
  const seconds = (performance.now() - before) / 1000;
  if (status !== 0) throw new Error(`wattmeter ${args.join(' ')} ended with ${status}: ${stderr}`);
  return { seconds, megabytes: (Number(output[3]) * 1024) / 1e6, stdout };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

function sizeOf(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

function measureAndPrint(stateDirectory, repeats) {
  const prices = join(stateDirectory, 'prices.csv');
  writePrices(prices);
  const common = ['report', 'year', '--state-dir', stateDirectory];
  const cases = [
    ['as stored', []],
    ['--tariff prices.csv', ['--tariff', prices]],
    ['… --zone DEU --pue 1.2', ['--tariff', prices, '--zone', 'DEU', '--pue', '1.2']],
    ['… --format json', ['--tariff', prices, '--format', 'json']],
  ];
  console.log(`${'seconds'.padEnd(28)}    min  median     max  limit   peak MB  limit`);
  for (const [name, args] of cases) {
    const runs = Array.from({ length: repeats }, () => measure(common.concat(args)));
    const seconds = runs.map((run) => run.seconds);
    const times = [Math.min(...seconds), median(seconds), Math.max(...seconds)];
    const peak = Math.max(...runs.map((run) => run.megabytes));
    console.log(
      `${name.padEnd(28)}${times.map((time) => time.toFixed(2).padStart(7)).join(' ')}` +
        `${String(LIMIT_SECONDS).padStart(7)}${peak.toFixed(0).padStart(10)}${String(LIMIT_MEGABYTES).padStart(7)}`,
    );
    if (median(seconds) > LIMIT_SECONDS || peak > LIMIT_MEGABYTES) process.exitCode = 1;
  }
}

async function main([repeats = '5', dist = resolve(import.meta.dirname, '../dist'), ...rest]) {
  const kept = rest[0] === '--keep' ? resolve(rest[1]) : undefined;
  const stateDirectory = kept ?? mkdtempSync(join(tmpdir(), 'wattmeter-reprice-'));
  try {
    if (!existsSync(join(stateDirectory, 'runs'))) await writeRun(stateDirectory, dist);
    const gigabytes = sizeOf(join(stateDirectory, 'runs')) / 1e9;
    console.log(
      `${GPUS} GPUs, ${MINUTES.toLocaleString('en')} minutes, ${PRICE_ROWS.toLocaleString('en')} prices; ` +
        `the run takes ${gigabytes.toFixed(2)} GB (simulated)`,
    );
    measureAndPrint(stateDirectory, Number(repeats));
  } finally {
    if (kept === undefined) rmSync(stateDirectory, { recursive: true, force: true });
  }
}

await main(process.argv.slice(2));
