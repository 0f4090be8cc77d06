// What may be wrong with a machine that is to be measured, and how bad it is: facts in, findings out. Collecting the
// facts is cli/'s business; nothing here looks at anything. Pure.

import type { SourceKind, Warning } from '../model.ts';
import type { DeviceSnapshot } from '../snapshot.ts';
import { deviceFindings } from './doctor-devices.ts';
import { driverFindings } from './doctor-driver.ts';
import { machineFindings } from './doctor-machine.ts';
import { observerFindings } from './doctor-observer.ts';

/** Where a finding belongs; also the order in which they are shown. */
export const FINDING_AREAS = [
  'driver',
  'permissions',
  'devices',
  'observer',
  'clock',
  'storage',
  'network',
  'configuration',
] as const;
export type FindingArea = (typeof FINDING_AREAS)[number];

/** `problem`: figures are wrong, missing or will be; `note`: worth knowing; `ok`: looked at and well. */
export type Severity = 'ok' | 'note' | 'problem';

/** One thing that was looked at. `code` is stable, kebab-case; `mend` stands wherever there is something to mend. */
export interface Finding {
  readonly code: string;
  readonly area: FindingArea;
  readonly severity: Severity;
  readonly thing: string;
  /** What was found, a sentence without its subject. */
  readonly cause: string;
  readonly mend?: string;
  /** Of findings about one device. */
  readonly uuid?: string;
}

/** Something that could not be had: the stable reason and the words of whoever refused. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

/** What a check said, or that it did not answer before its deadline. */
export type Checked<T> = { readonly kind: 'known'; readonly value: T } | { readonly kind: 'late' };

/** The NVIDIA driver as the system shows it, without asking it for power. */
export interface DriverFacts {
  /** Of the loaded kernel module. */
  readonly moduleVersion?: string;
  /** Where the library that was loaded lies. */
  readonly libraryPath?: string;
  readonly nvml?: Refusal;
  readonly nvidiaSmi:
    | { readonly kind: 'answered'; readonly gpuCount: number; readonly driverVersion?: string }
    | ({ readonly kind: 'refused' } & Refusal);
}

/** A file or device node that measuring needs, and whether this user may open it. */
export interface AccessFacts {
  readonly path: string;
  readonly use: 'nvidia' | 'rapl' | 'hwmon';
  readonly isOpen: boolean;
}

/** A device as a short look found it. */
export interface LookedAtDevice {
  readonly snapshot: DeviceSnapshot;
  /** Whether it has an energy counter; absent where the source does not say. */
  readonly hasCounter?: boolean;
  readonly hasModuleScope?: boolean;
  /** The driver's ring of samples is read in place of a register. */
  readonly readsRing?: boolean;
  readonly isMigOn?: boolean;
  readonly isPersistenceOn?: boolean;
}

/** A few seconds of sampling. */
export interface LookFacts {
  readonly outcome: 'measuring' | 'silent' | 'failed';
  /** The source that gave the readings. */
  readonly source?: SourceKind;
  readonly failure?: Refusal;
  /** A thread is inside a call of the driver that has not returned. */
  readonly isStuck: boolean;
  readonly lookSeconds: number;
  readonly devices: readonly LookedAtDevice[];
  readonly faults: readonly (Refusal & { readonly source: SourceKind })[];
  readonly warnings: readonly Warning[];
  /** How long each read took, of all devices together. */
  readonly readSeconds: readonly number[];
  /** CPU time of this process ÷ time of the look. */
  readonly cpuRatio: number;
}

/** The wall clock against the timeline, and what the kernel knows of its discipline. */
export interface ClockFacts {
  /** How far the wall clock moved against the monotonic one during the look. */
  readonly stepSeconds: number;
  /** Absent where the kernel would not say. */
  readonly isSynchronized?: boolean;
  readonly maximumErrorSeconds?: number;
}

/** Where the books are kept. */
export interface DiskFacts {
  readonly path: string;
  readonly exists: boolean;
  /** Why it cannot be written; absent when it can. */
  readonly refusal?: string;
  readonly freeBytes?: number;
  /** Of one durable write. */
  readonly syncSeconds?: number;
}

/** An address that an agent would listen on. */
export interface PortFacts {
  readonly address: string;
  readonly state: 'free' | 'wattmeter' | 'taken' | 'refused';
  readonly cause?: string;
}

/** Stored runs, by what has to be done about them. */
export interface LedgerFacts {
  readonly runCount: number;
  readonly interruptedIds: readonly string[];
}

/** The options' file. */
export interface ConfigFacts {
  readonly path?: string;
  /** The line that any other command would end with. */
  readonly error?: string;
}

/** The calibrations kept here. */
export interface CalibrationFacts {
  readonly count: number;
  readonly error?: string;
}

/** Everything that was looked at. */
export interface DoctorFacts {
  readonly driver: DriverFacts;
  readonly access: readonly AccessFacts[];
  readonly look: LookFacts;
  readonly clock: ClockFacts;
  readonly disk: Checked<DiskFacts>;
  readonly ports: readonly Checked<PortFacts>[];
  readonly ledger: Checked<LedgerFacts | Refusal>;
  readonly config: ConfigFacts;
  readonly calibrations: CalibrationFacts;
}

/** All findings, in the order of FINDING_AREAS. */
export function diagnose(facts: DoctorFacts): readonly Finding[] {
  const findings = [
    ...driverFindings(facts),
    ...deviceFindings(facts.look),
    ...observerFindings(facts.look),
    ...machineFindings(facts),
  ];
  return FINDING_AREAS.flatMap((area) => findings.filter((finding) => finding.area === area));
}

/** Whether there is something that spoils figures. */
export const hasProblem = (findings: readonly Finding[]): boolean =>
  findings.some(({ severity }) => severity === 'problem');
