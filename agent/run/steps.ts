// CMD's output → its progress: lines, and in them what the user's --step-pattern names. The pattern runs in RE2, so no
// pattern and no line can make it take more than linear time. Pure.

import { RE2JS } from 're2js';

/** What one line said; groups that did not take part are absent. */
export interface StepLine {
  readonly step?: number;
  readonly epoch?: string;
  readonly tokens?: number;
}

const GROUPS = ['step', 'epoch', 'tokens'] as const;
// A log line that matters is short; a progress bar without line ends must not grow for ever.
const MAX_LINE_CHARACTERS = 4096;
const MAX_EPOCH_CHARACTERS = 100;
// Colours and cursor movements of a terminal (ECMA-48 control sequences).
// oxlint-disable-next-line no-control-regex -- escape sequences begin with one
const CONTROL_SEQUENCE = /\u001b\[[0-9;?]*[A-Za-z]/g;

/** A compiled --step-pattern. */
export interface StepPattern {
  match(line: string): StepLine | undefined;
}

/**
 * Compiles a pattern in RE2 syntax; groups are `(?P<step>…)` or `(?<step>…)`.
 * @throws Error when it does not compile or names none of step, epoch, tokens.
 */
export function compileStepPattern(text: string): StepPattern {
  const pattern = compile(text);
  const present = GROUPS.filter((name) => Object.hasOwn(pattern.namedGroups(), name));
  if (present.length === 0) {
    throw new Error(
      `--step-pattern ${text} names none of the groups step, epoch, tokens. Write e.g. 'step (?<step>[0-9]+)'.`,
    );
  }
  return {
    match(line) {
      const matcher = pattern.matcher(line);
      if (!matcher.find()) return undefined;
      const group = (name: (typeof GROUPS)[number]): string | undefined =>
        present.includes(name) ? (matcher.group(name) ?? undefined) : undefined;
      const step = parseCount(group('step'));
      const tokens = parseCount(group('tokens'));
      const epoch = group('epoch')?.trim().slice(0, MAX_EPOCH_CHARACTERS);
      return {
        ...(step === undefined ? {} : { step }),
        ...(tokens === undefined ? {} : { tokens }),
        ...(epoch === undefined || epoch === '' ? {} : { epoch }),
      };
    },
  };
}

function compile(text: string): RE2JS {
  try {
    return RE2JS.compile(RE2JS.translateRegExp(text));
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new Error(`--step-pattern ${text} is no RE2 pattern: ${cause}. Mend the pattern.`, {
      cause: error,
    });
  }
}

/** Reads `12,000`, `12_000` or `1.5e6`; undefined for anything else, below 0, or beyond exact integers. */
export function parseCount(text: string | undefined): number | undefined {
  const plain = text?.trim().replaceAll(/[,_]/g, '');
  if (plain === undefined || !/^\d+(?:\.\d+)?(?:e\+?\d+)?$/i.test(plain)) return undefined;
  const value = Number(plain);
  return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

/** Cuts a stream of bytes into lines at LF and at CR (progress bars redraw with CR alone). */
export class LineCutter {
  readonly #decoder = new TextDecoder();
  #rest = '';

  /** The lines that `bytes` completes, without control sequences; longer ones are cut off, empty ones left out. */
  *cut(bytes: Uint8Array): Generator<string> {
    const pieces = this.#decoder.decode(bytes, { stream: true }).split(/[\r\n]/);
    const last = pieces.pop() ?? '';
    for (const piece of pieces) {
      const line = this.#clean(this.#rest + piece);
      this.#rest = '';
      if (line !== '') yield line;
    }
    this.#rest = (this.#rest + last).slice(0, MAX_LINE_CHARACTERS);
  }

  /** The unfinished last line, when the stream has ended. */
  *end(): Generator<string> {
    const line = this.#clean(this.#rest);
    this.#rest = '';
    if (line !== '') yield line;
  }

  #clean(line: string): string {
    return line.slice(0, MAX_LINE_CHARACTERS).replaceAll(CONTROL_SEQUENCE, '');
  }
}
