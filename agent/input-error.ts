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
    super(`${place}: ${cause}. ${mend}.`.replaceAll(/\s*\n\s*/g, ' '));
  }
}
