// The report as JSON: the promise of INTERFACE.md ("Report JSON"). Units stand last in every key; absent means unknown,
// never 0. Types only; schema.ts checks files against them.

import type { GapReason, Method, Provenance, Warning } from '../model.ts';

/** The name and version of this shape. */
export const REPORT_SCHEMA = 'wattmeter.report/1';

/** What was measured: times are ISO 8601 UTC with milliseconds, the limits of the integral. */
export interface ReportRun {
  readonly id: string;
  readonly name?: string;
  readonly command?: readonly string[];
  readonly host: string;
  readonly startTime: string;
  readonly endTime: string;
  readonly durationSeconds: number;
  readonly exitCode?: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly machine?: ReportMachine;
}

/** What the host is, as far as somebody looked. */
export interface ReportMachine {
  readonly operatingSystem?: string;
  readonly cpuModel?: string;
  readonly cpuCount?: number;
  readonly memoryBytes?: number;
}

/** Standard uncertainties (k = 1) behind an expanded one. */
export interface ReportUncertainty {
  readonly gainJoules: number;
  readonly offsetJoules: number;
  readonly aliasJoules: number;
  readonly edgeJoules: number;
  readonly independentJoules: number;
}

/** Energy of all devices together. Seconds are device-seconds: two GPUs for a minute are 120 s. */
export interface ReportEnergy {
  /** Measured; unbridged gaps are left out. Absent, with its uncertainty, when no GPU was observed. */
  readonly gpuJoules?: number;
  /** Expanded, k = 2. */
  readonly gpuUncertaintyJoules?: number;
  readonly gpuUncertaintyComponents?: ReportUncertainty;
  readonly gapEstimateJoules?: number;
  readonly gapEstimateUncertaintyJoules?: number;
  /** Energy of devices whose power is modelled, not measured; never part of gpuJoules. */
  readonly modelledJoules?: number;
  readonly hostJoules?: number;
  readonly hostUncertaintyJoules?: number;
  readonly hostProvenance?: Provenance;
  /** GPUs, models and host; absent when a GPU was there and nothing is known of any. */
  readonly itJoules?: number;
  /** Absent with itJoules. */
  readonly facilityJoules?: number;
  readonly powerUsageEffectiveness: number;
  readonly powerUsageEffectivenessProvenance: Provenance;
  /** Observed ÷ (observed + unbridged gaps); 0 when nothing was observed. */
  readonly coverageRatio: number;
  readonly observedSeconds: number;
  /** Unbridged. */
  readonly gapSeconds: number;
  /** By reason, before the counter bridged any. */
  readonly gapSecondsByReason: Partial<Readonly<Record<GapReason, number>>>;
  readonly bridgedSeconds?: number;
}

/** The article's E_compute = k·T·P, with k measured (ECONOMICS.md §1). */
export interface ReportCompute {
  /** Absent when energy.facilityJoules is. */
  readonly energyKilowattHours?: number;
  readonly trainingSeconds: number;
  /** Mean IT power: Σ over devices of energy ÷ observed time; absent when nothing was observed. */
  readonly powerMeanWatts?: number;
  readonly ratedPowerWatts?: number;
  readonly k?: number;
}

/** The article's E_data = k·T·P: of transfer, of storage, or of both. */
export interface ReportData {
  readonly energyKilowattHours: number;
  readonly transferredBytes?: number;
  /** Of one copy. */
  readonly storedByteHours?: number;
  readonly transferKilowattHours?: number;
  readonly storageKilowattHours?: number;
  /** Of the machine's own disks, whose power is in the node's already. */
  readonly diskReadBytes?: number;
  readonly diskWrittenBytes?: number;
  /** E_data ÷ (T · the rated power of the storage); absent without storage. */
  readonly k?: number;
  /** At the run's own mean intensity. */
  readonly locationBasedGrams?: number;
  readonly provenance: Provenance;
  readonly method?: string;
}

/** Time at 0 % utilisation, and what was drawn meanwhile: a part of the figures that it stands with. */
export interface ReportIdleTime {
  /** Observed time whose utilisation is known; of the rest nobody can say whether it was idle. */
  readonly knownSeconds: number;
  readonly idleSeconds: number;
  readonly energyJoules: number;
  readonly facilityKilowattHours: number;
  readonly energyCost?: number;
  readonly locationBasedGrams?: number;
}

/** One GPU. */
export interface ReportDevice {
  readonly uuid: string;
  readonly index: number;
  /** Only in reports merged of several hosts. */
  readonly host?: string;
  readonly model: string;
  readonly source: string;
  readonly driverVersion?: string;
  /** Absent when nothing was observed. */
  readonly method?: Method;
  /** Absent, with uncertainty and all that is made of energy, when nothing was observed. */
  readonly energyJoules?: number;
  /** Expanded, k = 2. */
  readonly uncertaintyJoules?: number;
  readonly uncertaintyComponents?: ReportUncertainty;
  readonly gapEstimateJoules?: number;
  readonly gapEstimateUncertaintyJoules?: number;
  readonly coverageRatio: number;
  readonly observedSeconds: number;
  readonly gapSeconds: number;
  readonly gapSecondsByReason: Partial<Readonly<Record<GapReason, number>>>;
  readonly bridgedSeconds?: number;
  readonly powerMeanWatts?: number;
  readonly powerMaxWatts?: number;
  readonly powerMinWatts?: number;
  readonly ratedPowerWatts?: number;
  readonly sampleCount: number;
  readonly counterJoules?: number;
  readonly integralJoules?: number;
  readonly sensor: {
    readonly field: string;
    readonly windowSeconds?: number;
    readonly periodSeconds?: number;
    readonly origin: string;
  };
  readonly facilityKilowattHours?: number;
  /** Net of credits, before rounding to a bill's decimals. */
  readonly energyCost?: number;
  readonly uncertaintyCost?: number;
  readonly locationBasedGrams?: number;
  readonly marketBasedGrams?: number;
  /** Over the time in which it is known, 0–1. */
  readonly utilizationRatioMean?: number;
  readonly idle?: ReportIdleTime;
  readonly warnings: readonly Warning[];
}

/** A component of the host (RAPL, a power meter, an assumed constant): the same line as a GPU's. */
export type ReportHost = ReportDevice & { readonly provenance: Provenance };

/** What one node of several adds up to. Seconds are device-seconds of its GPUs. */
export interface ReportNode {
  readonly host: string;
  readonly gpuCount: number;
  /** Absent, with its uncertainty, when no GPU was observed. */
  readonly gpuJoules?: number;
  /** Expanded, k = 2. */
  readonly gpuUncertaintyJoules?: number;
  readonly hostJoules?: number;
  readonly coverageRatio: number;
  readonly observedSeconds: number;
  readonly gapSeconds: number;
  /** GPUs and host. */
  readonly facilityKilowattHours?: number;
  readonly energyCost?: number;
  readonly locationBasedGrams?: number;
}

/** Energy used while one price was in force. `energyCost` = kWh × price, exactly, in decimal. */
export interface ReportPricePeriod {
  readonly startTime: string;
  /** Exclusive. */
  readonly endTime: string;
  readonly facilityKilowattHours: number;
  readonly pricePerKilowattHour: number;
  readonly energyCost: number;
}

/** A cost that is not the price of a kilowatt-hour: demand, rent, a fixed charge. Never added to energyCost. */
export interface ReportCostLine {
  readonly name: string;
  readonly amountCost: number;
  readonly provenance: Provenance;
  readonly source: string;
  /** Rent includes energy: such a line and energyCost are never added up. */
  readonly includesEnergy: boolean;
  /** Where what it stands on has a spread. */
  readonly lowAmountCost?: number;
  readonly highAmountCost?: number;
  /** Of hardware: what a GPU-hour of it costs. */
  readonly perGpuHourCost?: number;
  /** Of rent: energyCost ÷ the rent, the part that the landlord pays on. */
  readonly energyShareRatio?: number;
}

/** A charge per time, in the cost's currency. */
export interface ReportFixedCharge {
  readonly name: string;
  readonly amountCost: number;
  readonly per: 'day' | 'month' | 'year';
}

/** Money, in one currency. */
export interface ReportCost {
  /** ISO 4217. */
  readonly currency: string;
  /** Net of credits; absent when part of the energy has no price (`missing` says why). */
  readonly energyCost?: number;
  /** Expanded, k = 2: metering, and the price's own where its source states one. */
  readonly uncertaintyCost?: number;
  /** The price's own part of uncertaintyCost (k = 2). */
  readonly priceUncertaintyCost?: number;
  /** What negative prices gave back, already taken off energyCost. */
  readonly creditCost?: number;
  readonly pricePerKilowattHourMean?: number;
  readonly tariff: {
    readonly name: string;
    readonly source: string;
    readonly provenance: Provenance;
  };
  readonly periods?: readonly ReportPricePeriod[];
  readonly otherCosts?: readonly ReportCostLine[];
  /** Due whether or not there was a run: in no sum. */
  readonly fixedCharges?: readonly ReportFixedCharge[];
  /** All that the run costs, where more than energy is known: its parts are named, none counted twice. */
  readonly runCost?: number;
  readonly lowRunCost?: number;
  readonly highRunCost?: number;
  readonly runCostParts?: readonly string[];
  readonly missing?: string;
}

/** Emissions of using the energy, and beside them what was asked for. */
export interface ReportCarbon {
  readonly locationBasedGrams: number;
  /** Expanded, k = 2: metering's part; data sets state no uncertainty of their own. */
  readonly uncertaintyGrams: number;
  readonly marketBasedGrams?: number;
  readonly marketBasedMethod?: string;
  /** Absent when no energy was used. */
  readonly intensityGramsPerKilowattHourMean?: number;
  readonly zone: string;
  /** The cloud region that was named as the zone. */
  readonly region?: ReportRegion;
  readonly dataset: string;
  readonly vintage: string;
  readonly provenance: Provenance;
}

/** A region of a cloud, in the provider's own words. */
export interface ReportRegion {
  /** `aws`, `azure`, `gcp` or `oci`. */
  readonly provider: string;
  readonly name: string;
  readonly place: string;
  /** ISO 3166-1 alpha-3. */
  readonly country: string;
  /** The grid within the country, where that is known. */
  readonly gridZone?: string;
}

/** A figure beside the main ones, with where it comes from. */
export interface ReportNote {
  readonly provenance: Provenance;
  readonly source: string;
}

/** The idle part of the run, in GPU-seconds, over the GPUs whose utilisation is known. */
export interface ReportIdle extends ReportNote, ReportIdleTime {
  /** Of the known time. */
  readonly timeRatio: number;
  /** Of the energy of all GPUs; a lower bound where time is unknown. */
  readonly energyRatio?: number;
  /** Its part of rent or owned hardware. */
  readonly hardwareCost?: number;
}

/** What one of something took: a GPU-hour, a step, a token. */
export interface ReportPerOne {
  /** How many there were. */
  readonly count: number;
  readonly gpuJoules?: number;
  readonly facilityKilowattHours?: number;
  readonly energyCost?: number;
  readonly hardwareCost?: number;
  readonly locationBasedGrams?: number;
  /** SCI (ISO/IEC 21031): (E·I + M) per one; absent where the hardware's making is not known. */
  readonly softwareCarbonIntensityGrams?: number;
}

/** The bill divided: absent parts were not counted. GPU-hours are observed ones; gaps hold no energy. */
export interface ReportPer {
  readonly gpuHour?: ReportPerOne;
  readonly step?: ReportPerOne;
  readonly token?: ReportPerOne;
}

/** Getting the data: an input, no part of any measured figure. */
export interface ReportAcquisition extends ReportNote {
  readonly energyKilowattHours: number;
  readonly lowKilowattHours?: number;
  readonly highKilowattHours?: number;
  /** At the run's own mean intensity. */
  readonly locationBasedGrams?: number;
  readonly lowGrams?: number;
  readonly highGrams?: number;
}

/** Labelling: an input, no part of any measured figure. */
export interface ReportLabelling extends ReportNote {
  /** At the workstations. */
  readonly energyKilowattHours?: number;
  readonly lowKilowattHours?: number;
  readonly highKilowattHours?: number;
  /** At the run's own mean intensity. */
  readonly locationBasedGrams?: number;
  readonly lowGrams?: number;
  readonly highGrams?: number;
  readonly labellingCost?: number;
  readonly lowLabellingCost?: number;
  readonly highLabellingCost?: number;
  readonly currency: string;
}

/** What the emissions cost society: beside the cost, never in it. */
export interface ReportSocial extends ReportNote {
  readonly socialCost: number;
  readonly lowSocialCost?: number;
  readonly highSocialCost?: number;
  readonly currency: string;
  readonly costPerTonne: number;
  readonly lowCostPerTonne?: number;
  readonly highCostPerTonne?: number;
  /** What it is the price of. */
  readonly emissionsGrams: number;
  readonly emissionsParts: readonly string[];
}

/** What would have changed the bill: modelled, with the point at which it pays. Negative savings are extra costs. */
export interface ReportLever extends ReportNote {
  readonly id: string;
  readonly name: string;
  readonly savedKilowattHours?: number;
  readonly lowSavedKilowattHours?: number;
  readonly highSavedKilowattHours?: number;
  readonly savedCost?: number;
  readonly savedGrams?: number;
  readonly breakEven: string;
  /** The price of electricity above which it pays. */
  readonly breakEvenPricePerKilowattHour?: number;
}

/** A named stretch of the run, over all its GPUs. */
export interface ReportWindow {
  readonly name: string;
  readonly startTime: string;
  readonly endTime: string;
  readonly durationSeconds: number;
  /** Absent, with its uncertainty, when nothing was observed. */
  readonly gpuJoules?: number;
  /** Expanded, k = 2. */
  readonly uncertaintyJoules?: number;
  readonly coverageRatio: number;
  readonly steps?: number;
  readonly tokens?: number;
  readonly joulesPerStep?: number;
  readonly joulesPerToken?: number;
  /** Of the GPUs' energy × PUE, net of credits. */
  readonly energyCost?: number;
  readonly locationBasedGrams?: number;
  readonly costPerStep?: number;
  readonly costPerToken?: number;
}

/** What became of the input: every line that was not understood, up to a bound. */
export interface ReportInputFile {
  readonly file: string;
  readonly rows: number;
  readonly malformedCount: number;
  readonly malformed: readonly {
    readonly file?: string;
    readonly line: number;
    readonly reason: string;
  }[];
}

/** What prices, a grid and a PUE decide of a report: kept with a run's books when they close. */
export interface ReportBill {
  readonly energy: Pick<
    ReportEnergy,
    'facilityJoules' | 'powerUsageEffectiveness' | 'powerUsageEffectivenessProvenance'
  >;
  readonly cost: Pick<
    ReportCost,
    | 'currency'
    | 'energyCost'
    | 'pricePerKilowattHourMean'
    | 'tariff'
    | 'otherCosts'
    | 'runCost'
    | 'missing'
  >;
  readonly carbon:
    | Pick<
        ReportCarbon,
        | 'locationBasedGrams'
        | 'marketBasedGrams'
        | 'intensityGramsPerKilowattHourMean'
        | 'zone'
        | 'dataset'
        | 'vintage'
      >
    | { readonly missing: string };
  readonly waterLitres?: number;
}

/** An option that a run was measured under and is not any more, or the other way round. */
export interface ReportOptionChange {
  /** As on the command line, such as `--demand-minutes`. */
  readonly option: string;
  readonly before?: string | number;
  readonly after?: string | number;
}

/** That a stored run is priced anew, and what it came to as it was measured. */
export interface ReportRepriced {
  readonly options: readonly ReportOptionChange[];
  /** Absent where the books were never closed by the Wattmeter that measured. */
  readonly before?: ReportBill;
}

/** The report of one run, or of several merged. */
export interface Report {
  readonly schema: typeof REPORT_SCHEMA;
  readonly generatedAt: string;
  readonly wattmeterVersion: string;
  readonly run: ReportRun;
  readonly energy: ReportEnergy;
  readonly compute: ReportCompute;
  readonly data?: ReportData;
  readonly devices: readonly ReportDevice[];
  readonly hosts?: readonly ReportHost[];
  /** Only in reports of several hosts. */
  readonly nodes?: readonly ReportNode[];
  readonly cost: ReportCost;
  readonly carbon: ReportCarbon | { readonly missing: string };
  readonly embodied?: ReportNote & { readonly embodiedGrams: number };
  readonly water?: ReportNote & { readonly waterLitres: number };
  readonly acquisition?: ReportAcquisition;
  readonly labelling?: ReportLabelling;
  readonly social?: ReportSocial;
  readonly idle?: ReportIdle;
  readonly per?: ReportPer;
  readonly levers?: readonly ReportLever[];
  readonly windows: readonly ReportWindow[];
  readonly input?: ReportInputFile;
  /** Only of a stored run under other prices, another grid or another PUE than it was measured under. */
  readonly repriced?: ReportRepriced;
  readonly warnings: readonly Warning[];
}
