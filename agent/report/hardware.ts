// What the hardware of a run costs: rent, which holds its energy, or the run's share of owned hardware, which does not.
// Energy is in the sum once, whichever it is.

import { figure, knownFigure, ratioOf } from './figure.ts';
import { present } from './present.ts';
import type { Report, ReportCost, ReportCostLine } from './report.ts';
import { endsOf, exact, scaledBy, together, type Spread } from './spread.ts';

/** How the hardware is paid for. */
export interface HardwareFacts {
  /** Rent includes energy. */
  readonly kind: 'rented' | 'owned';
  readonly perGpuHour: Spread;
  readonly source: string;
}

const SECONDS_PER_HOUR = 3600;

/** GPU-hours that are paid for: of every GPU, from the run's start to its end, seen or not. */
const paidGpuHours = ({ devices, run }: Report): number =>
  (devices.length * run.durationSeconds) / SECONDS_PER_HOUR;

function lineOf(report: Report, { kind, perGpuHour, source }: HardwareFacts): ReportCostLine {
  const amount = scaledBy(perGpuHour, paidGpuHours(report));
  const isRent = kind === 'rented';
  const { energyCost } = report.cost;
  return {
    name: isRent ? 'rent' : 'owned hardware',
    amountCost: figure(amount.mid),
    // Life, utilisation and residual are guesses about years to come.
    provenance: isRent ? 'derived' : 'modelled',
    source,
    includesEnergy: isRent,
    ...endsOf(amount, 'lowAmountCost', 'highAmountCost'),
    perGpuHourCost: figure(perGpuHour.mid),
    ...present({
      energyShareRatio:
        isRent && energyCost !== undefined
          ? knownFigure(ratioOf(energyCost, amount.mid))
          : undefined,
    }),
  };
}

const spreadOf = ({ amountCost, lowAmountCost, highAmountCost }: ReportCostLine): Spread => ({
  low: lowAmountCost ?? amountCost,
  mid: amountCost,
  high: highAmountCost ?? amountCost,
});

/** Rent alone, for energy and peaks are the landlord's; else everything, where energy is known. */
function runCostOf(
  energyCost: number | undefined,
  lines: readonly ReportCostLine[],
): Pick<ReportCost, 'runCost' | 'lowRunCost' | 'highRunCost' | 'runCostParts'> {
  const rent = lines.find(({ includesEnergy }) => includesEnergy);
  const counted = rent === undefined ? lines : [rent];
  if (counted.length === 0 || (rent === undefined && energyCost === undefined)) return {};
  const energy = rent === undefined ? [exact(energyCost ?? 0)] : [];
  const total = together([...energy, ...counted.map(spreadOf)]);
  return {
    runCost: figure(total.mid),
    ...endsOf(total, 'lowRunCost', 'highRunCost'),
    runCostParts: [...(rent === undefined ? ['energy'] : []), ...counted.map(({ name }) => name)],
  };
}

/** The report's cost with hardware and demand beside energy, and what the run costs in all. */
export function withCostLines(
  report: Report,
  facts: {
    readonly hardware?: HardwareFacts;
    readonly demand?: readonly ReportCostLine[];
    /** False where a demand charge is not known: then nothing can be said of the whole. */
    readonly isDemandKnown?: boolean;
  },
): ReportCost {
  const { hardware, demand = [], isDemandKnown = true } = facts;
  const isPaidFor = hardware !== undefined && report.devices.length > 0;
  const lines = [...(isPaidFor ? [lineOf(report, hardware)] : []), ...demand];
  if (lines.length === 0) return report.cost;
  const isWhole = isDemandKnown || lines.some(({ includesEnergy }) => includesEnergy);
  return {
    ...report.cost,
    otherCosts: lines,
    ...(isWhole && runCostOf(report.cost.energyCost, lines)),
  };
}

/** The line of the hardware, where it is paid for. */
export const hardwareOf = ({ otherCosts = [] }: ReportCost): ReportCostLine | undefined =>
  otherCosts.find(({ perGpuHourCost }) => perGpuHourCost !== undefined);
