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
let watch;
if (output !== undefined) {
  const { StepWatch } = await load('step-watch');
  const { compileStepPattern } = await load('steps');
  const pattern = compileStepPattern(values['step-pattern']);
  watch = new StepWatch({ output, pattern, now, onLine: () => (lines += 1) });
}
// Something to live for: a timer stands for the sampling that goes on meanwhile.
const sampling = setInterval(() => watch?.poll(), 20);
const end = await start.job.ended;
clearInterval(sampling);
await output?.drained(0.5);
watch?.finish();
if (watch !== undefined) say(`${lines} steps seen`);
say(`job ended with ${end.exitCode}`);
process.exit(end.exitCode);
