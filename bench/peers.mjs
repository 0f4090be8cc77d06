// What Wattmeter reports of a window of 30 s on one simulated machine: eight GPUs (call 0.3 ms, sensor W/T 25/100 ms,
// counter every 20 ms), against the closed-form truth. The machine on which other meters were tried: the rows can be read
// beside theirs. The window is marked inside the job (`wattmeter mark`), as theirs are; the whole run stands below it.
//
//   npm run build && node bench/peers.mjs [REPEATS] [SECONDS] [COLUMN]
//
// Two columns run at a time, each in processes of its own; COLUMN picks those whose title holds the word.

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
const ALL_COLUMNS = [
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

const [repeats = '3', seconds = '30', picked = ''] = process.argv.slice(2);
const COLUMNS = ALL_COLUMNS.filter(([title]) => title.includes(picked));
const AT_ONCE = 2;

/** Runs a window and returns what the report says of it. */
function runWindow({ directory, library }, name, scenario) {
  const folder = join(directory, name.replaceAll(/\W+/g, '-'));
  mkdirSync(folder, { recursive: true });
  const scenarioPath = join(folder, 'scenario.txt');
  const report = join(folder, 'report.json');
  const origin = process.hrtime.bigint();
  const originUnixSeconds = (performance.timeOrigin + performance.now()) / 1e3;
  writeFileSync(
    scenarioPath,
    `origin ${origin}\ngpus ${GPUS}\ngpu * name NVIDIA A100-SXM4-80GB\ngpu * latency 0.0003\n${scenario}`,
  );
  const options = ['--source', 'nvml', '--quiet', '--report-json', report];
  const mark = `'${launcher}' mark window`;
  const job = `sleep 1; ${mark} --begin; sleep ${seconds}; ${mark} --end; sleep 0.5`;
  const args = ['run', ...options, '--state-dir', join(folder, 'state'), '--', 'sh', '-c', job];
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

/** Joules of all GPUs between two times of a report, by the stand-in's own closed form. */
function truthOf({ load, energy }, { scenarioPath, originUnixSeconds }, { startTime, endTime }) {
  load(scenarioPath);
  const from = Date.parse(startTime) / 1e3 - originUnixSeconds;
  const to = Date.parse(endTime) / 1e3 - originUnixSeconds;
  let joules = 0;
  for (let gpu = 0; gpu < GPUS; gpu += 1) joules += energy(gpu, to) - energy(gpu, from);
  return joules;
}

function figuresOf(model, ran) {
  const { windows, run, energy } = ran.report;
  const [window] = windows;
  return {
    window: 100 * (window.gpuJoules / truthOf(model, ran, window) - 1),
    stated: (100 * window.uncertaintyJoules) / window.gpuJoules,
    run: 100 * (energy.gpuJoules / truthOf(model, ran, run) - 1),
    unmeasured: 100 * (1 - energy.coverageRatio),
  };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const signed = (value) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`;

async function main() {
  const stand = buildStandIn();
  const library = koffi.load(stand.library);
  const model = {
    load: library.func('int standin_load(const char *path)'),
    energy: library.func('double standin_energy(int index, double time)'),
  };
  const rounds = [];
  for (let repeat = 0; repeat < Number(repeats); repeat += 1) {
    const round = [];
    for (let first = 0; first < COLUMNS.length; first += AT_ONCE) {
      const some = COLUMNS.slice(first, first + AT_ONCE);
      const ran = some.map(([name, scenario]) => runWindow(stand, name, scenario));
      round.push(...(await Promise.all(ran)));
    }
    rounds.push(round);
  }
  console.log(
    `${GPUS} GPUs, call 0.3 ms, W/T 25/100 ms, counter 20 ms, windows of ${seconds} s (simulated);`,
  );
  console.log(`per cent of the truth, medians of ${repeats}\n`);
  const rows = [
    { title: 'Wattmeter', show: ({ window }) => signed(window) },
    { title: '… its stated ± (k = 2)', show: ({ stated }) => stated.toFixed(1) },
    { title: '… the whole run around it', show: ({ run }) => signed(run) },
    { title: '… said to be unmeasured', show: ({ unmeasured }) => unmeasured.toFixed(1) },
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
