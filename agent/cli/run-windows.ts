// A run's windows, from its first instant: what a mark or an epoch opens and closes goes into account and ledger, as soon
// as there are any. A job marks before its meters stand.

import type { Account } from '../account.ts';
import type { LedgerWriter } from '../ledger/writer.ts';
import type { Warning, Window } from '../model.ts';
import type { Progress } from '../run/running-count.ts';
import type { StepLine } from '../run/steps.ts';
import { WindowBook, type Mark, type MarkOutcome } from '../run/windows.ts';
import { instant, type Instant } from '../units.ts';

/** The windows of one run. */
export interface RunWindows {
  /** Books a mark that came at `time`. */
  mark(mark: Mark, time: Instant): MarkOutcome;
  /** Books a line of CMD's output that came at `time`. */
  line(line: StepLine, time: Instant): void;
  /** Steps and tokens that CMD's output has told of. */
  readonly progress: Progress;
  /** From now on all goes into `books`, and first what has come already. */
  keepIn(books: WindowKeepers): void;
  /** The run ended at `time`: what is heard later counts as said then, because its windows end there. */
  end(time: Instant): void;
  /** Closes what is open, and returns what has to be said of that. */
  close(end: Instant): readonly Warning[];
}

/** Where windows are kept. */
export interface WindowKeepers {
  readonly account: Account;
  readonly ledger: LedgerWriter;
  /** Told where a window begins or ends: intervals are to be cut there. */
  onEdge?(time: Instant): void;
}

/** Opens the windows of a run that starts at `startSeconds`. */
export function openRunWindows(startSeconds: Instant): RunWindows {
  const book = new WindowBook(startSeconds);
  const waiting: ((keepers: WindowKeepers) => void)[] = [];
  let kept: WindowKeepers | undefined;
  let endSeconds = instant(Infinity);

  const keep = (entry: (keepers: WindowKeepers) => void): void => {
    if (kept === undefined) waiting.push(entry);
    else entry(kept);
  };
  const open = (name: string, time: Instant): void =>
    keep(({ account, ledger }) => {
      account.openWindow(name, time);
      void ledger.openWindow(name, time);
    });
  const add = (windows: readonly Window[]): void =>
    keep(({ account, ledger }) => {
      for (const window of windows) {
        account.addWindow(window);
        void ledger.addWindow(window);
      }
    });
  const edge = (time: Instant): void => keep((keepers) => keepers.onEdge?.(time));
  const within = (time: Instant): Instant =>
    instant(Math.max(startSeconds, Math.min(time, endSeconds)));

  return {
    mark(mark, heardAt) {
      const time = within(heardAt);
      const outcome = book.mark(mark, time);
      if (outcome.kind === 'refused') return outcome;
      if (mark.phase === 'begin') open(mark.name, time);
      add(outcome.closed);
      edge(outcome.edgeSeconds);
      return outcome;
    },
    line(line, heardAt) {
      const outcome = book.line(line, within(heardAt));
      if (outcome?.kind !== 'accepted') return;
      if (line.epoch !== undefined) open(`epoch ${line.epoch}`, outcome.edgeSeconds);
      add(outcome.closed);
      edge(outcome.edgeSeconds);
    },
    get progress() {
      return book.progress;
    },
    keepIn(books) {
      kept = books;
      for (const entry of waiting.splice(0)) entry(books);
    },
    end(time) {
      endSeconds = time;
    },
    close(end) {
      const { closed, warnings } = book.close(end);
      add(closed);
      return warnings;
    },
  };
}
