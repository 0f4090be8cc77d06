// A few seconds of sampling, as doctor sees them: what answered, how long it took, what it cost, and what went wrong.

import { createAccount } from '../account.ts';
import type { Clock } from '../clock.ts';
import type { LookedAtDevice, LookFacts, Refusal } from '../insight/doctor.ts';
import type { Warning } from '../model.ts';
import type { Config } from '../options.ts';
import type { SampledEvent } from '../sampler.ts';
import type { GpuInventory } from '../source/inventory.ts';
import { SourceError, type Source } from '../source/source.ts';
import { after } from '../units.ts';
import { calibrationLookup } from './calibrations.ts';
import type { Context } from './context.ts';
import { readLibraryPath, SYSTEM_ROOTS } from './doctor-system.ts';
import { openMetering } from './metering.ts';
import { openPricing } from './pricing.ts';
import { startSampling } from './run-sampling.ts';
import { chooseSources, currentOf, inventoryOf, isStuck, LIVE_PLAY } from './sources.ts';

const FIRST_READING_SECONDS = 10;
const NVML_ALONE_SECONDS = 3;
const MAX_FAULTS = 20;

/** What the look was joined to. */
export interface LookOptions {
  readonly config: Config;
  readonly context: Context;
  readonly clock: Clock;
  readonly lookSeconds: number;
  /** What nvidia-smi says of the GPUs, once it has: for facts that the source does not know. */
  inventory(): Promise<readonly GpuInventory[]>;
}

/** A look, and why NVML was not the source of it. */
export interface Look {
  readonly facts: LookFacts;
  readonly nvml?: Refusal;
  /** Where the NVML lies that was loaded: known only while it is. */
  readonly libraryPath?: string;
}

/** Samples for a while. What cannot be measured is a fact, not an error. @throws UsageError for options that make no sense */
export async function takeLook(options: LookOptions): Promise<Look> {
  const { config, context, clock } = options;
  const sources = await chooseSources(config, clock, { play: LIVE_PLAY });
  const notes = openNotes();
  await using sampling = startSampling(sources, clock, () => undefined);
  const first = await sampling.firstReading(FIRST_READING_SECONDS);
  const libraryPath = await readLibraryPath(SYSTEM_ROOTS);
  const library = libraryPath === undefined ? {} : { libraryPath };
  if (first !== 'measuring') {
    sampling.feed(notes.add);
    const stuck = isStuck(sources);
    if (stuck) context.leaveAbruptly();
    const facts: LookFacts = {
      ...notes.facts(),
      outcome: first === 'silent' ? 'silent' : 'failed',
      ...(first === 'silent' ? silence(notes) : { failure: refusalOf(first) }),
      isStuck: stuck,
      lookSeconds: 0,
      devices: [],
      cpuRatio: 0,
    };
    const nvml = first === 'silent' ? undefined : nvmlAmong(first);
    return { facts, ...library, ...(nvml === undefined ? {} : { nvml }) };
  }
  const pricing = await openPricing({}, context, clock);
  const start = clock.now();
  const account = createAccount({
    id: 'doctor',
    host: 'localhost',
    startSeconds: start,
    labels: {},
  });
  const pipeline = openMetering({
    config,
    pricing,
    charges: await pricing.openCharges(),
    account,
    calibrationOf: calibrationLookup(config, context, () => undefined),
  });
  const cpuBefore = process.cpuUsage();
  sampling.feed((event) => {
    notes.add(event);
    pipeline.consume(event.source, event);
  });
  await clock.sleepUntil(after(start, options.lookSeconds), context.signal).catch(() => undefined);
  const lookSeconds = clock.now() - start;
  const cpu = process.cpuUsage(cpuBefore);
  const stuck = isStuck(sources);
  if (stuck) context.leaveAbruptly();
  const known = knownFacts(sources, await options.inventory());
  const facts: LookFacts = {
    ...notes.facts(),
    outcome: 'measuring',
    ...sourceOf(sources),
    isStuck: stuck,
    lookSeconds,
    devices: pipeline.devices().map((snapshot) => ({ snapshot, ...known(snapshot.device.uuid) })),
    cpuRatio: (cpu.user + cpu.system) / 1e6 / lookSeconds,
  };
  const isBest = config.source === undefined && config.trace === undefined;
  const nvml = isBest && facts.source !== 'nvml' ? await askNvmlAlone(options) : undefined;
  return { facts, ...library, ...(nvml === undefined ? {} : { nvml }) };
}

/** Why NVML gives nothing where another source stood in for it. */
async function askNvmlAlone({ context, clock }: LookOptions): Promise<Refusal | undefined> {
  const sources = await chooseSources({ source: ['nvml'] }, clock, {});
  await using sampling = startSampling(sources, clock, () => undefined);
  const first = await sampling.firstReading(NVML_ALONE_SECONDS);
  if (isStuck(sources)) context.leaveAbruptly();
  if (first === 'measuring') return undefined;
  return first === 'silent'
    ? { reason: 'timeout', message: `gave no reading within ${NVML_ALONE_SECONDS} s` }
    : refusalOf(first);
}

const refusalOf = (error: Error): Refusal => ({
  reason: error instanceof SourceError ? error.reason : 'unexpected',
  message: error.message,
});

/** NVML's own part of a failure that several sources share. */
function nvmlAmong(error: Error): Refusal | undefined {
  const [first] = Array.isArray(error.cause) ? (error.cause as unknown[]) : [];
  return first instanceof SourceError ? refusalOf(first) : undefined;
}

function silence(notes: Notes): { readonly failure?: Refusal } {
  const fault = notes.facts().faults.at(-1);
  return fault === undefined ? {} : { failure: fault };
}

type Noted = Pick<LookFacts, 'faults' | 'warnings' | 'readSeconds'>;

interface Notes {
  readonly add: (event: SampledEvent) => void;
  facts(): Noted;
}

/** Keeps what a pipeline does not: how long each read took, faults and warnings in words. */
function openNotes(): Notes {
  const faults: LookFacts['faults'][number][] = [];
  const warnings: Warning[] = [];
  const readSeconds: number[] = [];
  return {
    add(event) {
      if (event.kind === 'read') readSeconds.push(event.durationSeconds);
      if (event.kind === 'warning') warnings.push(event.warning);
      if (event.kind === 'fault' && faults.length < MAX_FAULTS) {
        const { source, reason, message } = event;
        faults.push({ source, reason, message });
      }
    },
    facts: () => ({ faults, warnings, readSeconds }),
  };
}

function sourceOf(sources: readonly Source[]): Pick<LookFacts, 'source'> {
  const [first] = sources;
  return first === undefined ? {} : { source: currentOf(first).kind };
}

type KnownFacts = Omit<LookedAtDevice, 'snapshot'>;

/** What the sources and nvidia-smi know of a device beyond its readings. */
function knownFacts(
  sources: readonly Source[],
  inventory: readonly GpuInventory[],
): (uuid: string) => KnownFacts {
  const byUuid = new Map<string, KnownFacts>();
  for (const { uuid, isMigModeOn, isPersistenceModeOn } of inventory) {
    if (uuid === undefined) continue;
    byUuid.set(uuid, {
      ...(isMigModeOn === undefined ? {} : { isMigOn: isMigModeOn }),
      ...(isPersistenceModeOn === undefined ? {} : { isPersistenceOn: isPersistenceModeOn }),
    });
  }
  for (const facts of inventoryOf(sources)) {
    byUuid.set(facts.device.uuid, {
      hasCounter: facts.counter,
      hasModuleScope: facts.scopes.includes('module'),
      readsRing: facts.ring !== undefined,
      isMigOn: facts.migEnabled,
      ...(facts.persistenceEnabled === undefined
        ? {}
        : { isPersistenceOn: facts.persistenceEnabled }),
    });
  }
  return (uuid) => byUuid.get(uuid) ?? {};
}
