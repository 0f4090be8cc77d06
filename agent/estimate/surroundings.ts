// What surrounds a plan and is no part of it: looked up and read by the caller, for this stage knows no data set and no
// file. Pure.

import type { Schedule } from '../schedule.ts';
import type { Instant } from '../units.ts';
import type { Range } from './range.ts';
import type { Stretch } from './shift.ts';

/** The intensity of a zone as the caller's data set has it. */
export interface ZoneIntensity {
  readonly zone: string;
  readonly gramsPerKilowattHour: number;
  /** Data set and vintage. */
  readonly source: string;
}

/** Prices or intensities over time. */
interface OverTime {
  readonly schedule: Schedule;
  /** The file, or whatever else it was read from. */
  readonly source: string;
}

/** The user's own series, and the stretch in which the training may run. */
export interface PlanSeries extends Stretch {
  readonly price?: OverTime & { readonly currency: string };
  readonly carbon?: OverTime & { readonly zone?: string };
  /** When it would start unless it is shifted; absent: at any time. */
  readonly startSeconds?: Instant;
  /** For the times that are shown. */
  readonly timeZone?: string;
}

/** What files and data sets say of another place; what the plan says itself goes before. */
export interface RegionFacts {
  readonly gramsPerKilowattHour?: Range;
  readonly pricePerKilowattHour?: Range;
  /** Of the price. */
  readonly currency?: string;
  readonly source: string;
}

/** Everything around a plan. */
export interface Surroundings {
  readonly zone?: ZoneIntensity;
  readonly series?: PlanSeries;
  /** Under a contract for the energy. */
  readonly market?: { readonly gramsPerKilowattHour: Range; readonly source: string };
  /** Making one GPU of the plan's model, kg CO₂e. */
  readonly embodied?: { readonly kilogramsPerGpu: Range; readonly source: string };
  readonly regions?: Readonly<Record<string, RegionFacts>>;
}
