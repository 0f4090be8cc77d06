// What every reader of a file that a person wrote throws. Pure.

/** A file that cannot be used, said in one line: where, what is wrong, and the mend. */
export class InputError extends Error {
  override readonly name = 'InputError';

  /**
   * @param place the file and, where known, the row or path inside it, e.g. `prices.csv row 12`
   * @param cause what is wrong there, without a full stop
   * @param mend what to do about it, a sentence without a full stop
   */
  constructor(place: string, cause: string, mend: string) {
    // A cause may quote the file, which may be anything: one line, and nothing that moves a terminal's cursor.
    super(`${place}: ${cause}. ${mend}.`.replaceAll(/\s*\n\s*/g, ' ').replaceAll(/\p{Cc}/gu, '?'));
  }
}

/** The part of a zod issue that a message needs. */
interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** The first defect that a schema found, with its path in the file, as an InputError. */
export function inputErrorOf(fileName: string, issues: readonly Issue[], mend: string): InputError {
  const issue = issues[0];
  const path = (issue?.path ?? []).map(String).join('.');
  const cause = issue === undefined ? 'it does not fit' : causeOf(issue.message);
  return new InputError(path === '' ? fileName : `${fileName} at ${path}`, cause, mend);
}

const causeOf = (message: string): string =>
  message.endsWith('received undefined') ? 'it is missing' : message.replace(/\.$/, '');
