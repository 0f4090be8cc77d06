// What the parts of `wattmeter run` hand to one another.

import type { MachineClock } from '../clock.ts';
import type { Warning } from '../model.ts';
import type { Config } from '../options.ts';
import type { Job } from '../run/child.ts';
import type { JobOutput } from '../run/output.ts';
import type { StepPattern } from '../run/steps.ts';
import type { Mark, MarkOutcome } from '../run/windows.ts';
import type { Context } from './context.ts';
import type { Pricing } from './pricing.ts';
import type { RunSampling } from './run-sampling.ts';
import type { RunSteps } from './run-steps.ts';
import type { RunWindows } from './run-windows.ts';
import type { TransferMeter } from './transfer.ts';

/** Everything that is decided before CMD starts. */
export interface RunPlan {
  readonly command: readonly [string, ...string[]];
  readonly config: Config;
  readonly pricing: Pricing;
  readonly clock: MachineClock;
  readonly labels: Readonly<Record<string, string>>;
  readonly stateDirectory: string;
  readonly runId: string;
  readonly isResumed: boolean;
  /** Where its socket is to lie: beside the journal, unless that file system did not answer in time. */
  readonly socketPath: string;
  readonly pattern?: StepPattern;
  readonly output?: JobOutput;
  /** Already running where something must be known before CMD starts. */
  readonly sampling?: RunSampling;
  readonly warnings: Warning[];
}

/** The run's socket, and who answers its marks once CMD runs. */
export interface RunMarks extends AsyncDisposable {
  readonly socketPath?: string;
  /** Marks and questions go to `handler` from now on. */
  answer(handler: MarkHandler): void;
}

/** Who answers. */
export interface MarkHandler {
  /** `ageSeconds` ago it came. */
  mark(mark: Mark, ageSeconds: number): MarkOutcome;
  read(path: string): unknown;
}

/** A wrapped command under way. */
export interface RunParts {
  readonly job: Job;
  readonly plan: RunPlan;
  readonly marks: RunMarks;
  /** Marks go there since CMD's start. */
  readonly windows: RunWindows;
  /** Absent where no output is watched. */
  readonly steps: RunSteps | undefined;
  /** Bytes moved since CMD's start; undefined where nobody asked for them. */
  readonly transfer: Promise<TransferMeter | undefined>;
  readonly context: Context;
}
