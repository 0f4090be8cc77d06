// What a report is made of: the books, and the facts that say what their figures stand on.

import type { Books } from '../account.ts';
import type { MalformedLine, Provenance } from '../model.ts';
import type { Schedule } from '../schedule.ts';
import type { Instant, KilowattHours } from '../units.ts';
import type { BesideFacts } from './beside.ts';
import type { ReportMachine, ReportRegion } from './report.ts';

/** Who says what a kilowatt-hour costs; a Tariff fits. */
export interface TariffFacts {
  readonly name: string;
  readonly source: string;
  readonly currency: string;
  readonly provenance: Provenance;
  readonly price: Schedule;
  readonly relativeUncertainty?: number;
  /** What is due whether or not there is a run. */
  readonly fixed?: readonly {
    readonly name: string;
    readonly amount: number;
    readonly per: 'day' | 'month' | 'year';
  }[];
}

/** Who says how much CO₂e a kilowatt-hour carries; a Grid fits. */
export interface GridFacts {
  readonly zone: string;
  readonly region?: ReportRegion;
  readonly dataset: string;
  readonly vintage: string;
  readonly provenance: Provenance;
  readonly market?: { readonly method: string; readonly source: string };
}

/** Facility energy used while one price was in force. */
export interface PricePeriodFacts {
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
  readonly facilityKilowattHours: KilowattHours;
  readonly pricePerKilowattHour: number;
}

/** What became of one input file; an InputSummary fits. */
export interface InputFacts {
  readonly file: string;
  readonly rows: number;
  readonly malformed: readonly MalformedLine[];
  readonly malformedCount: number;
}

/** Everything `buildReport` asks for. */
export interface ReportInput extends BesideFacts {
  readonly books: Books;
  readonly generatedSeconds: Instant;
  readonly version: string;
  readonly tariff: TariffFacts;
  /** Without a grid: why there is none. */
  readonly grid: GridFacts | { readonly missing: string };
  readonly powerUsageEffectiveness: { readonly value: number; readonly provenance: Provenance };
  /** Of host devices whose power is `modelled`; `assumed` unless told (a constant from --host-watts). */
  readonly hostProvenance?: Provenance;
  /** Needed for rows per price (FOCUS) under a tariff that changes during the run. */
  readonly pricePeriods?: readonly PricePeriodFacts[];
  readonly machine?: ReportMachine;
  readonly inputs?: readonly InputFacts[];
}
