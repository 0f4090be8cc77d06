// --step-pattern: watches CMD's output from aside and tells what its lines say of the progress.

import type { Clock } from '../clock.ts';
import { StepWatch } from '../run/step-watch.ts';
import type { StepLine } from '../run/steps.ts';
import type { Instant } from '../units.ts';
import type { RunPlan } from './run.ts';

// How exactly an epoch's edge is known.
const POLL_MILLISECONDS = 50;
const DRAIN_SECONDS = 0.2;

/** Watches until finished; undefined where no pattern was given, or the output could not be had. */
export function openSteps(
  plan: RunPlan,
  clock: Clock,
  onLine: (line: StepLine, time: Instant) => void,
): { finish(): Promise<void> } | undefined {
  const { output, pattern } = plan;
  if (output === undefined || pattern === undefined) return undefined;
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
