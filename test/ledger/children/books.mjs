// Appends for ever to the ledger of a run or of an agent, and says on stdout what was acknowledged, until it is killed.
// node books.mjs DIST (run|agent) STATE-DIRECTORY [RUN-ID]

import { writeSync } from 'node:fs';
import { join } from 'node:path';

const [dist, mode, stateDirectory, id] = process.argv.slice(2);
const load = (name) => import(join(dist, 'agent/ledger', name));

const START = 1_800_000_000;
const writer = { version: 'test', pid: process.pid };
const say = (line) => writeSync(1, `${line}\n`);
const common = {
  stateDirectory,
  writer,
  flushSeconds: 0.01,
  onFault: (fault) => say(`fault ${JSON.stringify(fault)}`),
};
const device = {
  uuid: 'GPU-a',
  index: 0,
  kind: 'gpu',
  model: 'NVIDIA H200',
  source: 'nvml',
  powerOrigin: 'measured',
};

const interval = (startSeconds) => ({
  uuid: 'GPU-a',
  startSeconds,
  endSeconds: startSeconds + 1,
  method: 'integral',
  energyJoules: 250.25,
  observedSeconds: 1,
  gapSeconds: {},
  gapEstimateJoules: 0,
  gapEstimateUncertaintyJoules: 0,
  bridgedSeconds: 0,
  uncertainty: {
    gainJoules: 1,
    offsetJoules: 1,
    aliasJoules: 0,
    startEdgeJoules: 0,
    endEdgeJoules: 0,
    independentJoulesSquared: 0,
  },
  sampleCount: 10,
  wallOffsetSeconds: 0,
  charge: { facilityKilowattHours: 250.25 / 3.6e6, costAmount: 1e-5 },
});

async function openRun() {
  if (id === undefined) {
    const { createRunLedger } = await load('run-ledger.js');
    const run = { host: 'node1', startSeconds: START, labels: {} };
    return { ledger: createRunLedger({ ...common, run }), from: START };
  }
  const { resumeRunLedger } = await load('resume-run.js');
  const { stored } = await (await load('read-run.js')).refillAccount(stateDirectory, id);
  const from = stored.endSeconds + 10;
  const { ledger, account } = await resumeRunLedger({ ...common, id, atSeconds: from });
  return { ledger, account, from };
}

async function openAgent() {
  const { openAgentLedger } = await load('agent-ledger.js');
  const run = { id: 'agent', host: 'node1', startSeconds: START, labels: {} };
  const ledger = await openAgentLedger({
    ...common,
    run,
    currency: 'USD',
    retainSeconds: 0,
    now: () => Date.now() / 1e3,
    // Small enough for several rotations in each life.
    segmentBytes: 20_000,
  });
  const observed = ledger.account.totalsOf('GPU-a')?.observedSeconds ?? 0;
  say(`restored ${ledger.account.totalsOf('GPU-a')?.energyJoules ?? 0}`);
  return { ledger, account: ledger.account, from: START + observed };
}

const { ledger, account, from } = mode === 'agent' ? await openAgent() : await openRun();
say(`run ${ledger.run?.id ?? 'agent'}`);
const sensor = { field: 'draw', origin: 'table' };
account?.addDevice(device, sensor);
await ledger.addDevice(device, sensor);
let count = 0;
for (let at = from; ; at += 1) {
  account?.add(interval(at));
  const kept = await ledger.addSlot([interval(at)]);
  count += 1;
  say(`${kept} ${count} ${account?.totalsOf('GPU-a')?.energyJoules ?? 0}`);
}
