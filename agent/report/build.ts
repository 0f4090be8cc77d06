// Books → Report: the last stage. Adds nothing that was not measured or given, and says of each figure which it is.

import { isObserved } from '../account/gpu-energy.ts';
import type { DeviceBooks, WindowBooks } from '../account.ts';
import type { Warning } from '../model.ts';
import { between, toKilowattHours } from '../units.ts';
import { withBeside } from './beside.ts';
import { coverageOf, deviceLineOf, netCostOf, unbridgedSecondsOf } from './device.ts';
import {
  figure,
  knownFigure,
  perThing,
  meanFigure,
  secondsFigure,
  sum,
  sumIfKnown,
} from './figure.ts';
import type { InputFacts, ReportInput } from './input.ts';
import { costOf } from './money.ts';
import { present } from './present.ts';
import {
  REPORT_SCHEMA,
  type Report,
  type ReportCarbon,
  type ReportDevice,
  type ReportEnergy,
  type ReportHost,
  type ReportInputFile,
  type ReportRun,
  type ReportWindow,
} from './report.ts';
import { isoTime } from './time.ts';
import { computeOfAll, energyOfAll, gramsUncertaintyOf } from './total.ts';
import { NOTHING_MEASURED } from './words.ts';

function runOf({ books, machine }: ReportInput): ReportRun {
  const { run, endSeconds, exitCode } = books;
  return present({
    id: run.id,
    name: run.name,
    command: run.command,
    host: run.host,
    startTime: isoTime(run.startSeconds),
    endTime: isoTime(endSeconds),
    durationSeconds: secondsFigure(between(run.startSeconds, endSeconds)),
    exitCode,
    labels: run.labels,
    machine,
  });
}

function hostLineOf(books: DeviceBooks, input: ReportInput): ReportHost {
  const modelled = books.device.powerOrigin === 'modelled';
  return {
    ...deviceLineOf(books),
    provenance: modelled ? (input.hostProvenance ?? 'assumed') : 'measured',
  };
}

function windowOf({ window, totals }: WindowBooks): ReportWindow {
  const { name, startSeconds, endSeconds, steps, tokens } = window;
  const known = isObserved(totals)
    ? {
        gpuJoules: figure(totals.energyJoules),
        uncertaintyJoules: figure(totals.uncertaintyJoules),
      }
    : undefined;
  const energyCost = known && knownFigure(netCostOf(totals));
  return {
    name,
    startTime: isoTime(startSeconds),
    endTime: isoTime(endSeconds),
    durationSeconds: secondsFigure(between(startSeconds, endSeconds)),
    ...known,
    coverageRatio: coverageOf(totals.observedSeconds, unbridgedSecondsOf(totals)),
    ...present({
      steps,
      tokens,
      joulesPerStep: perThing(known?.gpuJoules, steps),
      joulesPerToken: perThing(known?.gpuJoules, tokens),
      energyCost,
      locationBasedGrams: known && knownFigure(totals.locationBasedGrams),
      costPerStep: perThing(energyCost, steps),
      costPerToken: perThing(energyCost, tokens),
    }),
  };
}

function carbonOf(
  { grid, books }: ReportInput,
  energy: ReportEnergy,
  lines: readonly ReportDevice[],
): Report['carbon'] {
  if ('missing' in grid) return grid;
  if (energy.facilityJoules === undefined) return { missing: NOTHING_MEASURED };
  const totals = books.devices.map((line) => line.totals);
  const location = sumIfKnown(totals.map(({ locationBasedGrams }) => locationBasedGrams));
  if (location === undefined) {
    return {
      missing: `${grid.dataset}: no intensity for part of the time in which energy was used`,
    };
  }
  const facility = toKilowattHours(energy.facilityJoules);
  const intensity = meanFigure(location, facility);
  const market = sumIfKnown(totals.map(({ marketBasedGrams }) => marketBasedGrams));
  const carbon: ReportCarbon = present({
    locationBasedGrams: figure(location),
    uncertaintyGrams: gramsUncertaintyOf(lines, energy, intensity),
    marketBasedGrams: grid.market === undefined ? undefined : knownFigure(market),
    marketBasedMethod: grid.market && `${grid.market.source}: ${grid.market.method}`,
    intensityGramsPerKilowattHourMean: intensity,
    zone: grid.zone,
    region: grid.region,
    dataset: grid.dataset,
    vintage: grid.vintage,
    provenance: grid.provenance,
  });
  return carbon;
}

function inputOf(inputs: readonly InputFacts[]): ReportInputFile | undefined {
  if (inputs.length === 0) return undefined;
  const isOne = inputs.length === 1;
  return {
    file: inputs.map(({ file }) => file).join(', '),
    rows: sum(inputs.map(({ rows }) => rows)),
    malformedCount: sum(inputs.map(({ malformedCount }) => malformedCount)),
    malformed: inputs.flatMap(({ file, malformed }) =>
      malformed.map((defect) => (isOne ? defect : { file, ...defect })),
    ),
  };
}

// An energy that nobody measured must not pass for that of an idle machine.
function findingsOf(
  energy: ReportEnergy,
  deviceCount: number,
  said: readonly Warning[],
): readonly Warning[] {
  // Whoever measured may know better why there is nothing.
  const isSaid = said.some(({ code }) => code === 'nothing-measured');
  if (energy.itJoules !== undefined || isSaid) return [];
  const message =
    deviceCount === 0
      ? 'No GPU was found, so no energy was measured. Run `wattmeter doctor` to see why.'
      : 'No power was read from any GPU: the energy is unknown, not zero. Run `wattmeter doctor`.';
  return [{ code: 'nothing-measured', message }];
}

/** The report of a run. */
export function buildReport(input: ReportInput): Report {
  const { books, powerUsageEffectiveness } = input;
  const gpus = books.devices.filter(({ device }) => device.kind === 'gpu');
  const hosts = books.devices
    .filter(({ device }) => device.kind === 'host')
    .map((line) => hostLineOf(line, input));
  const devices = gpus.map(deviceLineOf);
  const parts = { devices, hosts, powerUsageEffectiveness };
  const energy = energyOfAll(parts);
  const run = runOf(input);
  const compute = computeOfAll(parts, energy, run.durationSeconds);
  const core: Report = present({
    schema: REPORT_SCHEMA,
    generatedAt: isoTime(input.generatedSeconds),
    wattmeterVersion: input.version,
    run,
    energy,
    compute,
    devices,
    hosts: hosts.length > 0 ? hosts : undefined,
    cost: costOf({
      tariff: input.tariff,
      totals: books.devices.map(({ totals }) => totals),
      startSeconds: books.run.startSeconds,
      endSeconds: books.endSeconds,
      ...present({
        facilityKilowattHours: compute.energyKilowattHours,
        pricePeriods: input.pricePeriods,
      }),
    }),
    carbon: carbonOf(input, energy, [...devices, ...hosts]),
    windows: books.windows.map(windowOf),
    input: inputOf(input.inputs ?? []),
    warnings: [...books.warnings, ...findingsOf(energy, devices.length, books.warnings)],
  });
  return withBeside(core, input);
}
