// Windows of several reports: those of one name are one window, measured on several hosts.

import { between } from '../units.ts';
import { coverageOf } from './device.ts';
import {
  figure,
  knownFigure,
  perThing,
  rootOfSquares,
  secondsFigure,
  sum,
  sumIfKnown,
  sumOfKnown,
} from './figure.ts';
import { present } from './present.ts';
import type { Report, ReportWindow } from './report.ts';
import { instantOf } from './time.ts';

interface WindowOfHost {
  readonly host: string;
  readonly window: ReportWindow;
}

/** One window per name, in order of start; of one host's ranks the longest speaks. */
export function mergeWindows(reports: readonly Report[]): ReportWindow[] {
  const byName = new Map<string, Map<string, WindowOfHost>>();
  for (const { run, windows } of reports) {
    for (const window of windows) {
      const hosts = byName.get(window.name) ?? new Map<string, WindowOfHost>();
      const other = hosts.get(run.host);
      if (other === undefined || other.window.durationSeconds < window.durationSeconds) {
        hosts.set(run.host, { host: run.host, window });
      }
      byName.set(window.name, hosts);
    }
  }
  return [...byName.values()]
    .map((hosts) => mergedWindow([...hosts.values()].map(({ window }) => window)))
    .toSorted((a, b) => a.startTime.localeCompare(b.startTime));
}

/** Ranks of one job count the same steps: the same number is that number, different ones are unknown. */
function agreed(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.every((value) => value === known[0]) ? known[0] : undefined;
}

function mergedWindow(windows: readonly ReportWindow[]): ReportWindow {
  const startTime = windows.map((window) => window.startTime).toSorted()[0] ?? '';
  const endTime =
    windows
      .map((window) => window.endTime)
      .toSorted()
      .at(-1) ?? '';
  const observed = windows.filter((window) => window.gpuJoules !== undefined);
  const gpuJoules = knownFigure(sumOfKnown(observed.map((window) => window.gpuJoules)));
  const energyCost = knownFigure(sumIfKnown(observed.map((window) => window.energyCost)));
  const steps = agreed(windows.map((window) => window.steps));
  const tokens = agreed(windows.map((window) => window.tokens));
  const durations = windows.map((window) => window.durationSeconds);
  const seen = sum(windows.map((window) => window.coverageRatio * window.durationSeconds));
  return {
    name: windows[0]?.name ?? '',
    startTime,
    endTime,
    durationSeconds: secondsFigure(between(instantOf(startTime), instantOf(endTime))),
    coverageRatio: coverageOf(seen, Math.max(0, sum(durations) - seen)),
    ...present({
      gpuJoules,
      uncertaintyJoules:
        gpuJoules === undefined
          ? undefined
          : figure(rootOfSquares(observed.map((window) => window.uncertaintyJoules ?? 0))),
      steps,
      tokens,
      joulesPerStep: perThing(gpuJoules, steps),
      joulesPerToken: perThing(gpuJoules, tokens),
      energyCost,
      locationBasedGrams: knownFigure(
        sumIfKnown(observed.map((window) => window.locationBasedGrams)),
      ),
      costPerStep: perThing(energyCost, steps),
      costPerToken: perThing(energyCost, tokens),
    }),
  };
}
