// Where the ledger is, and what to say when the disk refuses.

import { homedir } from 'node:os';

import type { LedgerFault } from '../ledger/journal.ts';
import { locateStateDirectory } from '../ledger/state-dir.ts';
import type { Config } from '../options.ts';
import type { Context } from './context.ts';

/** The state directory of a command. */
export function stateDirectory(config: Config, context: Context): string {
  return locateStateDirectory({
    explicit: config.stateDir,
    environment: context.environment,
    homeDirectory: homedir(),
  });
}

/** Says a ledger's trouble, loudly and once each way: the books go on in memory. */
const sayFault =
  (context: Context) =>
  (fault: LedgerFault): void => {
    const dropped =
      fault.kind === 'caught-up' && fault.droppedRecords > 0
        ? `, ${fault.droppedRecords} records are lost`
        : '';
    const text =
      fault.kind === 'failing'
        ? fault.message
        : `The ledger ${fault.path} is written again${dropped}.`;
    context.stderr.write(`wattmeter: ${text}\n`);
  };

/** How a command's ledger is written, apart from where and what it is of. */
export interface LedgerOptions {
  readonly writer: { readonly version: string; readonly pid: number };
  readonly flushSeconds: number;
  readonly onFault: (fault: LedgerFault) => void;
}

const DEFAULT_FLUSH_SECONDS = 1;

/** What every ledger that a command opens has in common. */
export const ledgerOptions = (config: Config, context: Context): LedgerOptions => ({
  writer: { version: context.version, pid: context.processId },
  flushSeconds: config.flushSeconds ?? DEFAULT_FLUSH_SECONDS,
  onFault: sayFault(context),
});
