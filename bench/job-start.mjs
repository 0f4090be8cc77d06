// How long after Wattmeter's own start CMD starts, and how long after CMD's end Wattmeter ends (promised: 200 ms, 1 s).
// Usage: node bench/job-start.mjs [REPEATS] [COMMAND…]; COMMAND is `bin/wattmeter.js run --quiet --` unless given.

import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

const [repeats = '20', ...given] = process.argv.slice(2);
const launcher = resolve(import.meta.dirname, '../bin/wattmeter.js');
const [program, ...args] = given.length > 0 ? given : [launcher, 'run', '--quiet', '--'];

const wallMilliseconds = () => performance.timeOrigin + performance.now();
const starts = [];
const ends = [];
for (let i = 0; i < Number(repeats); i += 1) {
  const before = wallMilliseconds();
  const { stdout, status, error } = spawnSync(program, [...args, 'date', '+%s.%N'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const after = wallMilliseconds();
  if (status !== 0) throw error ?? new Error(`${program} exited with ${status}`);
  const during = Number(stdout) * 1e3;
  starts.push(during - before);
  ends.push(after - during);
}

const describe = (name, values) => {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  const columns = [at(0), at(0.5), at(0.95)].map((value) => value.toFixed(0).padStart(8));
  console.log(`${name.padEnd(34)}${columns.join('')}`);
};
console.log(
  `${'milliseconds'.padEnd(34)}${['min', 'median', 'p95'].map((n) => n.padStart(8)).join('')}`,
);
describe("Wattmeter's start to CMD's start", starts);
describe("CMD's end to Wattmeter's end", ends);
