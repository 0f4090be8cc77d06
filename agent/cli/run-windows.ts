// A run's windows as its account and its ledger hold them: what a mark or an epoch opens and closes goes into both.

import type { Account } from '../account.ts';
import type { LedgerWriter } from '../ledger/writer.ts';
import type { Warning, Window } from '../model.ts';
import { WindowBook, type Mark, type MarkOutcome } from '../run/windows.ts';
import type { Progress, StepLine } from '../run/steps.ts';
import type { Instant } from '../units.ts';

/** The windows of one run. */
export interface RunWindows {
  /** Books a mark that came at `time`. */
  mark(mark: Mark, time: Instant): MarkOutcome;
  /** Books a line of CMD's output that came at `time`; undefined where it ends or begins no window. */
  line(line: StepLine, time: Instant): MarkOutcome | undefined;
  /** Steps and tokens that CMD's output has told of. */
  readonly progress: Progress;
  /** Closes what is open, and returns what has to be said of that. */
  close(end: Instant): readonly Warning[];
}

/** Opens the windows of a run that starts at `startSeconds`. */
export function openRunWindows(
  startSeconds: Instant,
  { account, ledger }: { readonly account: Account; readonly ledger: LedgerWriter },
): RunWindows {
  const book = new WindowBook(startSeconds);
  const open = (name: string, time: Instant): void => {
    account.openWindow(name, time);
    void ledger.openWindow(name, time);
  };
  const keep = (windows: readonly Window[]): void => {
    for (const window of windows) {
      account.addWindow(window);
      void ledger.addWindow(window);
    }
  };
  return {
    mark(mark, time) {
      const outcome = book.mark(mark, time);
      if (outcome.kind === 'refused') return outcome;
      if (mark.phase === 'begin') open(mark.name, time);
      keep(outcome.closed);
      return outcome;
    },
    line(line, time) {
      const outcome = book.line(line, time);
      if (outcome?.kind !== 'accepted') return outcome;
      if (line.epoch !== undefined) open(`epoch ${line.epoch}`, outcome.edgeSeconds);
      keep(outcome.closed);
      return outcome;
    },
    get progress() {
      return book.progress;
    },
    close(end) {
      const { closed, warnings } = book.close(end);
      keep(closed);
      return warnings;
    },
  };
}
