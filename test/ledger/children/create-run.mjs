// Creates a run, writes one slot's worth of facts, closes it, and says its id and what the ledger complained of.
// node create-run.mjs DIST STATE-DIRECTORY NAME

import { join } from 'node:path';

const [dist, stateDirectory, name] = process.argv.slice(2);
const { createRunLedger } = await import(join(dist, 'agent/ledger/run-ledger.js'));

const faults = [];
const ledger = createRunLedger({
  stateDirectory,
  writer: { version: 'test', pid: process.pid },
  flushSeconds: 1,
  onFault: (fault) => faults.push(fault),
  // All in the same millisecond.
  run: { name, host: 'node1', startSeconds: 1_800_000_000, labels: {} },
});
const kept = await ledger.addFacts({ rank: name });
const closed = await ledger.close({ endSeconds: 1_800_000_001, exitCode: 0 });
console.log(JSON.stringify({ id: ledger.run.id, kept, closed, faults }));
