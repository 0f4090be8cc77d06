// The least that `wattmeter run` is: launch facts, signals, CMD, its exit code. The tests of the sacred job run against
// it when WATTMETER_TEST_RUN=harness, so that a broken measurement cannot hide a broken job, or the other way round.

import { writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';

const dist = process.env['WATTMETER_TEST_DIST'];
delete process.env['WATTMETER_TEST_DIST'];
const load = (name) => import(`${dist}/agent/run/${name}.js`);

const { takeLaunchFacts } = await load('launch');
const launch = takeLaunchFacts(process.env);
delete launch.environment['WATTMETER_TEST_DIST'];

const { values, positionals } = parseArgs({
  args: process.argv.slice(3),
  options: { 'step-pattern': { type: 'string' }, socket: { type: 'string' } },
  allowPositionals: true,
});
function count() {
  for (const { bytes } of output?.read() ?? []) {
    lines += Buffer.from(bytes).toString('latin1').split('\n').length - 1;
  }
}
const say = (text) => writeSync(2, `wattmeter: ${text}\n`);
const now = () => Date.now() / 1e3;

const { SignalRelay } = await load('signals');
const { startJob } = await load('child');
const relay = new SignalRelay(process);
let output;
if (values['step-pattern'] !== undefined) {
  const { openJobOutput } = await load('output');
  output = openJobOutput(tmpdir());
}
const start = await startJob({
  command: positionals,
  launch,
  environment: values.socket === undefined ? {} : { WATTMETER_SOCKET: values.socket },
  ...(output === undefined ? {} : { output: output.descriptors }),
  now,
});
if (start.kind === 'cannot-run') {
  say(start.message);
  process.exit(start.exitCode);
}
output?.handedOver();
relay.ready((signal) => start.job.send(signal));
let lines = 0;
const sampling = setInterval(() => count(), 20);
const end = await start.job.ended;
clearInterval(sampling);
if (output !== undefined) await output.drained(0.5);
count();
if (output !== undefined) say(`${lines} lines seen`);
say(`job ended with ${end.exitCode}`);
process.exit(end.exitCode);
