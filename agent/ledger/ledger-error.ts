// Why the ledger cannot do what it was asked; the message names the thing, the cause and the mend on one line.

/** What went wrong, for exit codes and tests. */
export type LedgerErrorReason =
  /** Another Wattmeter holds it. */
  | 'locked'
  /** No such run. */
  | 'not-found'
  /** Several runs answer to it. */
  | 'ambiguous'
  /** The state directory or a file in it cannot be read. */
  | 'unreadable'
  /** The state directory cannot be created or written. */
  | 'unwritable'
  /** This system has no usable flock(2), so nobody can tell whether a writer lives. */
  | 'no-lock';

/** A refusal of the ledger. */
export class LedgerError extends Error {
  override readonly name = 'LedgerError';
  readonly reason: LedgerErrorReason;

  constructor(reason: LedgerErrorReason, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.reason = reason;
  }
}

/** The short cause in an error of the system: its code where it has one. */
export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as NodeJS.ErrnoException).code;
  return code ?? error.message;
}
