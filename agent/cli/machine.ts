// The machine that a run was on, for its report: asked for once while CMD already runs, kept in the ledger.

import type { LedgerWriter } from '../ledger/writer.ts';
import { present } from '../report/present.ts';
import type { ReportMachine } from '../report/report.ts';
import { readHostFacts } from '../source/host-facts.ts';

/** Asks, and writes the answer into the books when it comes. */
export async function noteMachine(ledger: LedgerWriter): Promise<ReportMachine> {
  const { operatingSystem, cpuModel, cpuCores, memoryTotalBytes } = await readHostFacts();
  const machine: ReportMachine = present({
    operatingSystem,
    cpuModel,
    cpuCount: cpuCores,
    memoryBytes: memoryTotalBytes,
  });
  void ledger.addFacts({ machine });
  return machine;
}
