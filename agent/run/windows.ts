// Marks become windows: from inside the job (`wattmeter mark`, POST /v1/marks) and from the epochs that --step-pattern
// sees. Pure: the caller brings the time of each mark.

import type { Warning, Window } from '../model.ts';
import type { Instant } from '../units.ts';
import { RunningCount, type CountPosition, type Progress } from './running-count.ts';
import type { StepLine } from './steps.ts';

/** What somebody says about a stretch of a run. */
export interface Mark {
  readonly name: string;
  /** begin and end enclose a window; instant ends the stretch since the last instant of that name, or the run's start. */
  readonly phase: 'begin' | 'end' | 'instant';
  readonly steps?: number;
  readonly tokens?: number;
}

/** What became of a mark. `edgeSeconds` is where intervals must be cut. */
export type MarkOutcome =
  | { readonly kind: 'accepted'; readonly edgeSeconds: Instant; readonly closed: readonly Window[] }
  | { readonly kind: 'refused'; readonly message: string };

interface OpenWindow {
  readonly name: string;
  readonly startSeconds: Instant;
  readonly steps?: number;
  readonly tokens?: number;
}

interface OpenEpoch {
  readonly label: string;
  readonly startSeconds: Instant;
  readonly stepsBefore: CountPosition;
  readonly tokensBefore: CountPosition;
}

// A job in a loop must not fill the books.
const MAX_OPEN_WINDOWS = 1000;
const MAX_WINDOWS = 100_000;

/** A run's open windows. Names may repeat and nest: an end closes the newest of its name. */
export class WindowBook {
  readonly #startSeconds: Instant;
  readonly #open: OpenWindow[] = [];
  readonly #lastInstant: Map<string, Instant> = new Map();
  readonly #steps: RunningCount = new RunningCount();
  readonly #tokens: RunningCount = new RunningCount();
  #epoch: OpenEpoch | undefined;
  #count = 0;

  constructor(startSeconds: Instant) {
    this.#startSeconds = startSeconds;
  }

  /** Books one mark that came at `time`. */
  mark(mark: Mark, time: Instant): MarkOutcome {
    if (this.#count >= MAX_WINDOWS) return refuse(`a run holds at most ${MAX_WINDOWS} windows`);
    switch (mark.phase) {
      case 'begin':
        return this.#begin(mark, time);
      case 'end':
        return this.#end(mark, time);
      case 'instant':
        return this.#instant(mark, time);
    }
  }

  #begin(mark: Mark, time: Instant): MarkOutcome {
    if (this.#open.length >= MAX_OPEN_WINDOWS) {
      return refuse(
        `${MAX_OPEN_WINDOWS} windows are open already. Does every --begin have its --end?`,
      );
    }
    this.#open.push({ name: mark.name, startSeconds: time, ...countsOf(mark) });
    return { kind: 'accepted', edgeSeconds: time, closed: [] };
  }

  #end(mark: Mark, time: Instant): MarkOutcome {
    const position = this.#open.findLastIndex(({ name }) => name === mark.name);
    const opened = this.#open[position];
    if (opened === undefined) {
      return refuse(`no window ${mark.name} is open. Was it begun, and on this run's socket?`);
    }
    this.#open.splice(position, 1);
    return this.#accept({ ...opened, endSeconds: time, ...countsOf(mark) });
  }

  #instant(mark: Mark, time: Instant): MarkOutcome {
    const startSeconds = this.#lastInstant.get(mark.name) ?? this.#startSeconds;
    if (!this.#lastInstant.has(mark.name) && this.#lastInstant.size >= MAX_OPEN_WINDOWS) {
      return refuse(`${MAX_OPEN_WINDOWS} names of instant marks are in use. Use fewer names.`);
    }
    this.#lastInstant.set(mark.name, time);
    return this.#accept({ name: mark.name, startSeconds, endSeconds: time, ...countsOf(mark) });
  }

  #accept(window: Window): MarkOutcome {
    this.#count += 1;
    return { kind: 'accepted', edgeSeconds: window.endSeconds, closed: [window] };
  }

  /** Books a line that the step pattern matched; a new epoch closes the window of the one before. */
  line(line: StepLine, time: Instant): MarkOutcome | undefined {
    const isNewEpoch = line.epoch !== undefined && line.epoch !== this.#epoch?.label;
    const closed = isNewEpoch ? this.#closeEpoch(time) : [];
    // A line that names the next epoch counts for it already: its base is what was seen before.
    const stepsBefore = this.#steps.position;
    const tokensBefore = this.#tokens.position;
    if (line.step !== undefined) this.#steps.see(line.step);
    if (line.tokens !== undefined) this.#tokens.see(line.tokens);
    if (!isNewEpoch || line.epoch === undefined) return undefined;
    if (this.#count >= MAX_WINDOWS) return refuse(`a run holds at most ${MAX_WINDOWS} windows`);
    this.#epoch = { label: line.epoch, startSeconds: time, stepsBefore, tokensBefore };
    return { kind: 'accepted', edgeSeconds: time, closed };
  }

  #closeEpoch(time: Instant): Window[] {
    if (this.#epoch === undefined) return [];
    const { label, startSeconds, stepsBefore, tokensBefore } = this.#epoch;
    this.#epoch = undefined;
    this.#count += 1;
    const counts = countsOf({
      steps: this.#steps.since(stepsBefore),
      tokens: this.#tokens.since(tokensBefore),
    });
    return [{ name: `epoch ${label}`, startSeconds, endSeconds: time, ...counts }];
  }

  /** Steps and tokens seen to pass in the whole run so far. */
  get progress(): Progress {
    return countsOf({ steps: this.#steps.counted, tokens: this.#tokens.counted });
  }

  /** Closes whatever is open at the run's end; a begun mark that was never ended is a warning. */
  close(time: Instant): {
    readonly closed: readonly Window[];
    readonly warnings: readonly Warning[];
  } {
    const unended = this.#open.splice(0);
    return {
      closed: [
        ...this.#closeEpoch(time),
        ...unended.map((window) => ({ ...window, endSeconds: time })),
      ],
      warnings: unended.map(({ name }) => ({
        code: 'window-not-ended',
        message: `The window ${name} was never ended; it is closed at the run's end.`,
      })),
    };
  }
}

const countsOf = ({
  steps,
  tokens,
}: {
  readonly steps?: number | undefined;
  readonly tokens?: number | undefined;
}): Progress => ({
  ...(steps === undefined ? {} : { steps }),
  ...(tokens === undefined ? {} : { tokens }),
});

const refuse = (why: string): MarkOutcome => ({
  kind: 'refused',
  message: `Cannot mark this: ${why}`,
});
