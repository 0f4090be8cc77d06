// What one GPU can be asked, found out once per session: registers per scope, the counter, slow values, and the facts
// that make it a Device. A feature that will never answer is not asked for again.

import type { Device, PowerField, Warning } from '../model.ts';
import { fromMilliwatts } from '../units.ts';
import {
  FIELD,
  FieldRequest,
  SCOPE,
  type Answer,
  type NvmlHandle,
  type NvmlLibrary,
} from './nvml-abi.ts';
import { isPermanent, NVML } from './nvml-return.ts';

/** A GPU as NVML shows it: beyond the Device, what `devices` and `doctor` want to know. */
export interface NvmlDeviceFacts {
  readonly device: Device;
  /** NVML's number: Kepler 2 … Blackwell 10. */
  readonly architecture?: number;
  /** Power registers that are read. */
  readonly registers: readonly PowerField[];
  /** Whether the hardware energy counter is read. */
  readonly counter: boolean;
  /** Scopes whose power the driver gives; only the GPU's own is ever counted. */
  readonly scopes: readonly (keyof typeof SCOPE)[];
  /** The driver keeps a ring of power samples. */
  readonly driverSamples: boolean;
  readonly migEnabled: boolean;
  readonly persistenceEnabled?: boolean;
}

/** Which calls make up one reading. */
export interface ReadPlan {
  readonly instant: boolean;
  readonly average: boolean;
  readonly draw: boolean;
  readonly counter: 'call' | 'field' | 'none';
}

/** What a session knows of a GPU before asking it anything. */
export interface DeviceIdentity {
  readonly uuid: string;
  readonly index: number;
  readonly driver?: string;
}

/** What a probe found. */
export interface Probe {
  readonly facts: NvmlDeviceFacts;
  readonly plan: ReadPlan;
  readonly warnings: readonly Warning[];
}

/** The value, or undefined: for facts that may be absent. */
export const valueOf = <T>(answer: Answer<T>): T | undefined =>
  answer.kind === 'value' ? answer.value : undefined;

// A passing failure (a busy or lost GPU) says nothing about a feature: it is asked for until it is known not to exist.
const exists = (answer: Answer<unknown>): boolean =>
  answer.kind === 'value' || !isPermanent(answer.code);

const PROBED = [
  { id: FIELD.instantMilliwatts, scope: SCOPE.gpu },
  { id: FIELD.averageMilliwatts, scope: SCOPE.gpu },
  { id: FIELD.energyMillijoules, scope: SCOPE.gpu },
  { id: FIELD.defaultLimitMilliwatts, scope: SCOPE.gpu },
  { id: FIELD.instantMilliwatts, scope: SCOPE.module },
  { id: FIELD.averageMilliwatts, scope: SCOPE.module },
  { id: FIELD.averageMilliwatts, scope: SCOPE.memory },
] as const;

interface FieldProbe {
  /** Answers in the order of PROBED. */
  readonly answers: readonly Answer<number>[];
}

function probeFields(library: NvmlLibrary, handle: NvmlHandle): FieldProbe {
  const request = new FieldRequest(PROBED);
  library.fieldValues(handle, request);
  return {
    answers: PROBED.map((_, index) =>
      request.code(index) === NVML.success
        ? { kind: 'value', value: request.value(index) }
        : { kind: 'failed', code: request.code(index) },
    ),
  };
}

const ABSENT: Answer<number> = { kind: 'failed', code: NVML.functionMissing };
const at = (probe: FieldProbe, index: number): Answer<number> => probe.answers[index] ?? ABSENT;

// The counter of a GH200 covers the whole module, CPU included (Zeus #172): taken for the GPU's it would count Grace
// twice, here and as the host's.
const counterCoversModule = (model: string): boolean => /\bGH200\b/.test(model);

function planReads(
  library: NvmlLibrary,
  handle: NvmlHandle,
  fields: FieldProbe,
  model: string,
): ReadPlan {
  const instant = exists(at(fields, 0));
  // GetPowerUsage repeats one of the two registers wherever they exist (MEASUREMENT.md §1): a call saved.
  const draw = !instant && exists(library.powerMilliwatts(handle));
  const byCall = exists(library.energyMillijoules(handle));
  const byField = exists(at(fields, 2));
  const trusted = !counterCoversModule(model);
  const counter = trusted && byCall ? 'call' : trusted && byField ? 'field' : 'none';
  return { instant, average: exists(at(fields, 1)), draw, counter };
}

function scopesOf(fields: FieldProbe): (keyof typeof SCOPE)[] {
  const gpuMilliwatts = valueOf(at(fields, 0)) ?? valueOf(at(fields, 1));
  const memoryMilliwatts = valueOf(at(fields, 6));
  // Headers disagree on which scope is which: memory is part of the GPU, so a larger value is not memory.
  const memory =
    gpuMilliwatts !== undefined &&
    memoryMilliwatts !== undefined &&
    memoryMilliwatts < gpuMilliwatts;
  const module = at(fields, 4).kind === 'value' || at(fields, 5).kind === 'value';
  return [
    'gpu',
    ...(module ? (['module'] as const) : []),
    ...(memory ? (['memory'] as const) : []),
  ];
}

function deviceOf(
  library: NvmlLibrary,
  handle: NvmlHandle,
  fields: FieldProbe,
  identity: DeviceIdentity,
): Device {
  const limit = valueOf(library.enforcedLimitMilliwatts(handle));
  const rated = valueOf(at(fields, 3)) ?? valueOf(library.defaultLimitMilliwatts(handle));
  const pciBusId = valueOf(library.pciBusId(handle));
  const memory = valueOf(library.memoryBytes(handle));
  return {
    uuid: identity.uuid,
    index: identity.index,
    kind: 'gpu',
    model: valueOf(library.name(handle)) ?? 'unknown',
    source: 'nvml',
    powerOrigin: 'measured',
    ...(identity.driver === undefined ? {} : { driverVersion: identity.driver }),
    ...(pciBusId === undefined ? {} : { pciBusId }),
    ...(limit === undefined ? {} : { powerLimitWatts: fromMilliwatts(limit) }),
    ...(rated === undefined ? {} : { ratedPowerWatts: fromMilliwatts(rated) }),
    ...(memory === undefined ? {} : { memoryTotalBytes: memory.total }),
  };
}

function warningsOf(device: Device, plan: ReadPlan, migEnabled: boolean): Warning[] {
  const name = `GPU ${device.index} (${device.model}, ${device.uuid})`;
  const warnings: Warning[] = [];
  if (!plan.instant && !plan.average && !plan.draw && plan.counter === 'none') {
    warnings.push({
      code: 'no-power-sensor',
      message: `${name} reports neither power nor energy: its time will be a gap, not 0 W.`,
    });
  }
  if (counterCoversModule(device.model)) {
    warnings.push({
      code: 'counter-covers-module',
      message: `The energy counter of ${name} covers its whole module, CPU included: it is not used, the GPU's own power is integrated.`,
    });
  }
  if (migEnabled) {
    warnings.push({
      code: 'mig',
      message: `${name} is split into MIG instances: its power is that of the whole GPU, which they share.`,
    });
  }
  return warnings;
}

/** What can be said of a GPU without touching it: one that sleeps is probed when it is awake. */
export function probeName(
  library: NvmlLibrary,
  handle: NvmlHandle,
  identity: DeviceIdentity,
): Probe {
  const { uuid, index, driver } = identity;
  const device: Device = {
    uuid,
    index,
    kind: 'gpu',
    source: 'nvml',
    powerOrigin: 'measured',
    model: valueOf(library.name(handle)) ?? 'unknown',
    ...(driver === undefined ? {} : { driverVersion: driver }),
  };
  return {
    plan: { instant: false, average: false, draw: false, counter: 'none' },
    warnings: [],
    facts: {
      device,
      registers: [],
      counter: false,
      scopes: ['gpu'],
      driverSamples: false,
      migEnabled: false,
    },
  };
}

/** Asks a GPU what it can be asked. `identity` is what the session already knows of it. */
export function probeDevice(
  library: NvmlLibrary,
  handle: NvmlHandle,
  identity: DeviceIdentity,
): Probe {
  const fields = probeFields(library, handle);
  const device = deviceOf(library, handle, fields, identity);
  const plan = planReads(library, handle, fields, device.model);
  const architecture = valueOf(library.architecture(handle));
  const persistence = valueOf(library.persistenceMode(handle));
  const migEnabled = valueOf(library.migMode(handle)) === 1;
  const registers = (['instant', 'average', 'draw'] as const).filter((field) => plan[field]);
  return {
    plan,
    warnings: warningsOf(device, plan, migEnabled),
    facts: {
      device,
      registers,
      counter: plan.counter !== 'none',
      scopes: scopesOf(fields),
      driverSamples: library.powerSamples(handle, 0n).kind === 'value',
      migEnabled,
      ...(architecture === undefined ? {} : { architecture }),
      ...(persistence === undefined ? {} : { persistenceEnabled: persistence === 1 }),
    },
  };
}
