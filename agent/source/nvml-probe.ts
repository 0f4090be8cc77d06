// What one GPU can be asked, found out once per session: registers per scope, the counter, slow values, and the facts
// that make it a Device. A feature that will never answer is not asked for again.

import type { Device, PowerField, ReadingStatus, Warning } from '../model.ts';
import { fromMilliwatts } from '../units.ts';
import {
  type Answer,
  FIELD,
  type NvmlHandle,
  type NvmlLibrary,
  SCOPE,
  valueOf,
} from './nvml-abi.ts';
import { isPermanent, NVML } from './nvml-return.ts';
import { probeRing, registerReader, type SampleRing } from './nvml-ring.ts';
import { FieldRequest } from './nvml-structs.ts';

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
  /** The driver's ring of power samples, where it is read in place of a register. */
  readonly ring?: SampleRing;
  readonly migEnabled: boolean;
  /** UUIDs of its MIG instances. */
  readonly migInstances: readonly string[];
  readonly persistenceEnabled?: boolean;
}

/** Which calls make up one reading. */
export interface ReadPlan {
  readonly instant: boolean;
  readonly average: boolean;
  readonly draw: boolean;
  readonly counter: 'call' | 'field' | 'none';
  /** Read instead of the registers. */
  readonly ring?: SampleRing;
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
  /** Whether it will say the same while the driver stays: no call failed that may succeed later. */
  readonly isFinal: boolean;
  /** What its reading is where it gives none. */
  readonly blindStatus: Extract<ReadingStatus, 'not-supported' | 'no-permission'>;
}

// A passing failure (a busy or lost GPU) says nothing about a feature: it is asked for until it is known not to exist.
const exists = (answer: Answer<unknown>): boolean =>
  answer.kind === 'value' || !isPermanent(answer.code);

const isKnownForGood = (answer: Answer<unknown>): boolean =>
  answer.kind === 'value' || isPermanent(answer.code);

const isForbidden = (answer: Answer<unknown>): boolean =>
  answer.kind === 'failed' && answer.code === NVML.noPermission;

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
  const code = library.fieldValues(handle, request);
  // A driver that refuses the list for one unknown entry may know the others.
  if (code !== NVML.success && isPermanent(code) && code !== NVML.functionMissing) {
    return { answers: PROBED.map((field) => probeField(library, handle, field)) };
  }
  return { answers: PROBED.map((_, index) => answerAt(request, index)) };
}

function probeField(
  library: NvmlLibrary,
  handle: NvmlHandle,
  field: (typeof PROBED)[number],
): Answer<number> {
  const request = new FieldRequest([field]);
  library.fieldValues(handle, request);
  return answerAt(request, 0);
}

function answerAt(request: FieldRequest, index: number): Answer<number> {
  const code = request.code(index);
  if (code !== NVML.success) return { kind: 'failed', code };
  const value = request.value(index);
  return Number.isNaN(value) ? { kind: 'failed', code: NVML.noData } : { kind: 'value', value };
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
): { readonly plan: ReadPlan } & Pick<Probe, 'isFinal' | 'blindStatus'> {
  const [instant, average, energyField] = [at(fields, 0), at(fields, 1), at(fields, 2)];
  // GetPowerUsage repeats one of the two registers wherever they exist (docs/measurement.md §1): a call saved.
  const draw = exists(instant) ? ABSENT : library.powerMilliwatts(handle);
  const energy = library.energyMillijoules(handle);
  const answers = [instant, average, draw, energy];
  const trusted = !counterCoversModule(model);
  const counter =
    trusted && exists(energy) ? 'call' : trusted && exists(energyField) ? 'field' : 'none';
  return {
    plan: { instant: exists(instant), average: exists(average), draw: exists(draw), counter },
    isFinal: answers.every(isKnownForGood),
    blindStatus: answers.some(isForbidden) ? 'no-permission' : 'not-supported',
  };
}

function scopesOf(fields: FieldProbe): (keyof typeof SCOPE)[] {
  const gpuMilliwatts = valueOf(at(fields, 0)) ?? valueOf(at(fields, 1));
  const memoryMilliwatts = valueOf(at(fields, 6));
  // Headers disagree on which scope is which: memory is part of the GPU, so a larger value is not memory.
  const memory =
    gpuMilliwatts !== undefined &&
    memoryMilliwatts !== undefined &&
    memoryMilliwatts < gpuMilliwatts;
  // A driver that does not look at the scope gives the GPU's own once more.
  const moduleMilliwatts = valueOf(at(fields, 4)) ?? valueOf(at(fields, 5));
  const module = moduleMilliwatts !== undefined && moduleMilliwatts !== gpuMilliwatts;
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
  const hasRegister = plan.instant || plan.average || plan.draw;
  if (!hasRegister && plan.counter === 'none' && plan.ring === undefined) {
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
    isFinal: false,
    blindStatus: 'not-supported',
    facts: {
      device,
      registers: [],
      counter: false,
      scopes: ['gpu'],
      migEnabled: false,
      migInstances: [],
    },
  };
}

// A ring that a poll can empty before the next one has wrapped.
const FEWEST_POLLS_OF_RING = 2;

/** The ring of a GPU without a counter: the driver keeps refreshes that our polls are too sparse for, or too late. */
function ringOf(
  library: NvmlLibrary,
  handle: NvmlHandle,
  plan: ReadPlan,
  longestTickSeconds: number,
): SampleRing | 'later' | 'never' {
  if (plan.counter !== 'none') return 'never';
  const field = (['instant', 'draw', 'average'] as const).find((name) => plan[name]);
  const register = field === undefined ? undefined : registerReader(library, handle, field);
  const ring = probeRing(library, handle, field ?? 'draw', register);
  if (typeof ring === 'string') return ring;
  return ring.spanSeconds >= FEWEST_POLLS_OF_RING * longestTickSeconds ? ring : 'later';
}

// An A100 has places for seven; newer drivers say how many there are.
const MIG_PLACES = 8;

/** UUIDs of a GPU's MIG instances; places in between may be empty. */
function migInstancesOf(library: NvmlLibrary, handle: NvmlHandle): string[] {
  const places = valueOf(library.migDevicePlaces(handle)) ?? MIG_PLACES;
  return Array.from({ length: Math.min(places, 4 * MIG_PLACES) }, (_, place) => {
    const instance = valueOf(library.migDeviceByIndex(handle, place));
    return instance === undefined ? undefined : valueOf(library.uuid(instance));
  }).filter((uuid) => uuid !== undefined);
}

/** Asks a GPU what it can be asked. `identity` is what the session already knows of it; polls are never farther apart. */
export function probeDevice(
  library: NvmlLibrary,
  handle: NvmlHandle,
  identity: DeviceIdentity,
  longestTickSeconds: number,
): Probe {
  const fields = probeFields(library, handle);
  const device = deviceOf(library, handle, fields, identity);
  const planned = planReads(library, handle, fields, device.model);
  const registerPlan = planned.plan;
  const ring = ringOf(library, handle, registerPlan, longestTickSeconds);
  const plan = typeof ring === 'string' ? registerPlan : { ...registerPlan, ring };
  const architecture = valueOf(library.architecture(handle));
  const persistence = valueOf(library.persistenceMode(handle));
  const migEnabled = valueOf(library.migMode(handle)) === 1;
  const registers = (['instant', 'average', 'draw'] as const).filter((field) => plan[field]);
  return {
    plan,
    warnings: warningsOf(device, plan, migEnabled),
    isFinal: ring !== 'later' && planned.isFinal,
    blindStatus: planned.blindStatus,
    facts: {
      device,
      registers,
      counter: plan.counter !== 'none',
      scopes: scopesOf(fields),
      migEnabled,
      migInstances: migEnabled ? migInstancesOf(library, handle) : [],
      ...(plan.ring === undefined ? {} : { ring: plan.ring }),
      ...(architecture === undefined ? {} : { architecture }),
      ...(persistence === undefined ? {} : { persistenceEnabled: persistence === 1 }),
    },
  };
}
