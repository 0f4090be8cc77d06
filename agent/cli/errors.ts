// Errors in words. Each stage has its own border type for what a user can mend; they are known by name, so that no stage
// is loaded for the question.

const USER_ERRORS: ReadonlySet<string> = new Set([
  'UsageError',
  'SourceError',
  'InputError',
  'LedgerError',
  'ConfigError',
  'ListenError',
]);

/** Whether the user can mend it: then its message is the whole story, and no stack is shown. */
export const isUserError = (error: unknown): error is Error =>
  error instanceof Error && USER_ERRORS.has(error.name);

/** What an error says, in one line where it is meant to be one. */
export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** A defect of ours with all that helps to find it. */
export const traceOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);
