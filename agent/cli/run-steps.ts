// --step-pattern: watches CMD's output from aside, from its first line on, and tells what its lines say of the progress.

import type { Clock } from '../clock.ts';
import { StepWatch } from '../run/step-watch.ts';
import type { JobOutput } from '../run/output.ts';
import type { StepLine, StepPattern } from '../run/steps.ts';
import type { Instant } from '../units.ts';

// How exactly an epoch's edge is known.
const POLL_MILLISECONDS = 50;
const DRAIN_SECONDS = 0.2;

/** A watch under way. */
export interface RunSteps {
  /** Reads what is left, once CMD has ended. */
  finish(): Promise<void>;
}

/** Watches until finished. */
export function watchSteps(
  { output, pattern }: { readonly output: JobOutput; readonly pattern: StepPattern },
  clock: Clock,
  onLine: (line: StepLine, time: Instant) => void,
): RunSteps {
  const watch = new StepWatch({ output, pattern, now: () => clock.now(), onLine });
  const timer = setInterval(() => watch.poll(), POLL_MILLISECONDS);
  return {
    async finish() {
      clearInterval(timer);
      await output.drained(DRAIN_SECONDS);
      watch.finish();
      output[Symbol.dispose]();
    },
  };
}
