// What `wattmeter run` reports on one simulated machine: eight GPUs (call 0.3 ms, sensor W/T 25/100 ms, counter every
// 20 ms), windows of 30 s, against the closed-form truth. The machine on which other meters were tried, so that the rows
// can be read beside theirs.
//
//   npm run build && node bench/peers.mjs [REPEATS] [SECONDS]
//
// The columns run side by side, each in processes of its own.

import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import koffi from 'koffi';

import { buildStandIn } from './stand-in.mjs';

const GPUS = 8;
const launcher = resolve(import.meta.dirname, '../bin/wattmeter.js');

const SENSORS = 'gpu * sensor draw 0.025 0.1\ngpu * sensor instant 0.025 0.1\n';
const COUNTER = 'gpu * counter 0.02 5000\n';
const TRAINING =
  'gpu * base 90\ngpu * square 0 inf 230 0.53 0.6\ngpu * sine 0 inf 30 0.7\ngpu * ramp 0 6 20\n';
const withoutFeatures = (gpu, features) =>
  features.map((feature) => `gpu ${gpu} fault unsupported -10 inf ${feature}\n`).join('');

// Faults are placed by the scenario's own time; a run begins within its first second.
const COLUMNS = [
  ['steady 350 W', `gpu * base 350\n${SENSORS}${COUNTER}`],
  ['training-like', `${TRAINING}${SENSORS}${COUNTER}`],
  ['130 ms square', `gpu * base 100\ngpu * square 0 inf 200 0.13 0.5\n${SENSORS}${COUNTER}`],
  ['bursts of 2 s', `gpu * base 60\ngpu * square 0 inf 290 7 0.2857\n${SENSORS}${COUNTER}`],
  [
    'counter restarts',
    `${TRAINING}${SENSORS}${COUNTER}gpu * fault counter-reset 9.37\ngpu * fault counter-reset 20.91\n`,
  ],
  ['no counter', `${TRAINING}${SENSORS}`],
  [
    'one GPU [N/A]',
    `${TRAINING}${SENSORS}${COUNTER}${withoutFeatures(3, ['draw', 'instant', 'counter'])}`,
  ],
  ['one GPU lost', `${TRAINING}${SENSORS}${COUNTER}gpu 3 fault lost 15\n`],
];

const monotonicNanoseconds = () => process.hrtime.bigint();

/** Runs a window and returns what the report says of it. */
function runWindow({ directory, library }, name, scenario, seconds) {
  const folder = join(directory, name.replaceAll(/\W+/g, '-'));
  mkdirSync(folder, { recursive: true });
  const scenarioPath = join(folder, 'scenario.txt');
  const report = join(folder, 'report.json');
  const origin = monotonicNanoseconds();
  const originUnixSeconds = (performance.timeOrigin + performance.now()) / 1e3;
  writeFileSync(
    scenarioPath,
    `origin ${origin}\ngpus ${GPUS}\ngpu * name NVIDIA A100-SXM4-80GB\ngpu * latency 0.0003\n${scenario}`,
  );
  const options = ['--source', 'nvml', '--quiet', '--report-json', report];
  const args = ['run', ...options, '--state-dir', join(folder, 'state'), '--', 'sleep', seconds];
  return new Promise((done, failed) => {
    const child = spawn(launcher, args, {
      env: {
        ...process.env,
        LD_LIBRARY_PATH: dirname(library),
        WATTMETER_GPU_SCENARIO: scenarioPath,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    child.on('error', failed);
    child.on('close', () => {
      done({
        scenarioPath,
        originUnixSeconds,
        report: JSON.parse(readFileSync(report, 'utf8')),
      });
    });
  });
}

/** Joules of every GPU from the run's start to its end, by the stand-in's own closed form. */
function truthOf({ load, energy }, { scenarioPath, originUnixSeconds, report }) {
  load(scenarioPath);
  const from = Date.parse(report.run.startTime) / 1e3 - originUnixSeconds;
  const to = Date.parse(report.run.endTime) / 1e3 - originUnixSeconds;
  let joules = 0;
  for (let gpu = 0; gpu < GPUS; gpu += 1) joules += energy(gpu, to) - energy(gpu, from);
  return joules;
}

function figuresOf(model, window) {
  const truth = truthOf(model, window);
  const { gpuJoules, gapEstimateJoules = 0, gpuUncertaintyJoules } = window.report.energy;
  const { coverageRatio } = window.report.energy;
  return {
    measured: 100 * (gpuJoules / truth - 1),
    estimated: 100 * ((gpuJoules + gapEstimateJoules) / truth - 1),
    stated: (100 * gpuUncertaintyJoules) / gpuJoules,
    unmeasured: 100 * (1 - coverageRatio),
  };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const signed = (value) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`;

async function main() {
  const [repeats = '3', seconds = '30'] = process.argv.slice(2);
  const stand = buildStandIn();
  const library = koffi.load(stand.library);
  const model = {
    load: library.func('int standin_load(const char *path)'),
    energy: library.func('double standin_energy(int index, double time)'),
  };
  const rounds = [];
  for (let round = 0; round < Number(repeats); round += 1) {
    rounds.push(
      await Promise.all(
        COLUMNS.map(([name, scenario]) => runWindow(stand, name, scenario, seconds)),
      ),
    );
  }
  console.log(
    `${GPUS} GPUs, call 0.3 ms, W/T 25/100 ms, counter 20 ms, windows of ${seconds} s (simulated);`,
  );
  console.log(`per cent of the truth, medians of ${repeats}\n`);
  const rows = [
    { title: 'measured', show: ({ measured }) => signed(measured) },
    { title: 'with the estimate of gaps', show: ({ estimated }) => signed(estimated) },
    { title: 'stated ± of the measured', show: ({ stated }) => stated.toFixed(2) },
    { title: 'said to be unmeasured', show: ({ unmeasured }) => unmeasured.toFixed(2) },
  ];
  console.log(`| | ${COLUMNS.map(([name]) => name).join(' | ')} |`);
  console.log(`|---|${'---|'.repeat(COLUMNS.length)}`);
  const figures = COLUMNS.map((_, column) =>
    rounds.map((round) => figuresOf(model, round[column])),
  );
  for (const { title, show } of rows) {
    const cells = figures.map((ofColumn) => {
      const middle = Object.fromEntries(
        Object.keys(ofColumn[0]).map((key) => [key, median(ofColumn.map((one) => one[key]))]),
      );
      return show(middle);
    });
    console.log(`| ${title} | ${cells.join(' | ')} |`);
  }
}

await main();
