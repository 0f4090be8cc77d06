// What stands beside a report's measured figures and follows from them and from what was given: hardware, idle share,
// acquisition and labelling, social cost, the bill per GPU-hour, step and token. A local run's report and a fleet's are
// completed alike.

import { figure } from './figure.ts';
import { hardwareOf, withCostLines, type HardwareFacts } from './hardware.ts';
import { idleOf } from './idle.ts';
import { perOf, type CountedProgress } from './per.ts';
import { present } from './present.ts';
import type {
  Report,
  ReportAcquisition,
  ReportCostLine,
  ReportData,
  ReportLabelling,
  ReportNote,
} from './report.ts';
import { socialOf, type SocialPrice } from './social.ts';
import { endsOf, scaledBy, type Spread } from './spread.ts';

/** Energy of getting data, as it was given. */
export interface AcquisitionFacts {
  readonly kilowattHours: Spread;
  readonly source: string;
}

/** Energy and money of labelling, as they were given. */
export interface LabellingFacts {
  readonly kilowattHours?: Spread;
  readonly amount?: Spread;
  readonly currency: string;
  readonly source: string;
}

/** Everything that was given, or worked out by another stage. */
export interface BesideFacts {
  readonly hardware?: HardwareFacts;
  /** Demand charges of the run. */
  readonly demand?: readonly ReportCostLine[];
  readonly isDemandKnown?: boolean;
  readonly data?: ReportData;
  readonly embodied?: ReportNote & { readonly embodiedGrams: number };
  readonly water?: ReportNote & { readonly waterLitres: number };
  readonly acquisition?: AcquisitionFacts;
  readonly labelling?: LabellingFacts;
  readonly socialPrice?: SocialPrice;
  readonly progress?: CountedProgress;
}

/** The report with all that follows. */
export function withBeside(core: Report, facts: BesideFacts): Report {
  const cost = withCostLines(core, facts);
  const intensity =
    'missing' in core.carbon ? undefined : core.carbon.intensityGramsPerKilowattHourMean;
  const report: Report = present({
    ...core,
    cost,
    data: facts.data && dataAt(facts.data, intensity),
    embodied: facts.embodied,
    water: facts.water,
    acquisition: facts.acquisition && acquisitionAt(facts.acquisition, intensity),
    labelling: facts.labelling && labellingAt(facts.labelling, intensity),
    idle: idleOf(core.devices, hardwareOf(cost)?.perGpuHourCost),
  });
  return present({
    ...report,
    social: facts.socialPrice && socialOf(report, facts.socialPrice),
    per: perOf(report, facts.progress),
  });
}

const dataAt = (data: ReportData, intensity: number | undefined): ReportData => ({
  ...data,
  ...(intensity !== undefined && {
    locationBasedGrams: figure(data.energyKilowattHours * intensity),
  }),
});

/** The grams of an energy that was given, as its spread has them. */
const gramsAt = (
  kilowattHours: Spread,
  intensity: number | undefined,
): Pick<ReportAcquisition, 'locationBasedGrams' | 'lowGrams' | 'highGrams'> => {
  if (intensity === undefined) return {};
  const grams = scaledBy(kilowattHours, intensity);
  return { locationBasedGrams: figure(grams.mid), ...endsOf(grams, 'lowGrams', 'highGrams') };
};

function acquisitionAt(
  { kilowattHours, source }: AcquisitionFacts,
  intensity: number | undefined,
): ReportAcquisition {
  return {
    energyKilowattHours: figure(kilowattHours.mid),
    ...endsOf(kilowattHours, 'lowKilowattHours', 'highKilowattHours'),
    ...gramsAt(kilowattHours, intensity),
    provenance: 'assumed',
    source,
  };
}

function labellingAt(
  { kilowattHours, amount, currency, source }: LabellingFacts,
  intensity: number | undefined,
): ReportLabelling {
  return {
    ...(kilowattHours !== undefined && {
      energyKilowattHours: figure(kilowattHours.mid),
      ...endsOf(kilowattHours, 'lowKilowattHours', 'highKilowattHours'),
      ...gramsAt(kilowattHours, intensity),
    }),
    ...(amount !== undefined && {
      labellingCost: figure(amount.mid),
      ...endsOf(amount, 'lowLabellingCost', 'highLabellingCost'),
    }),
    currency,
    provenance: 'assumed',
    source,
  };
}
