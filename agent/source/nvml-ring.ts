// The driver's own ring of power samples in place of a register: every refresh since the last question, also those that
// our polls are too far apart for or that a hung call hid. Only of GPUs without an energy counter, which tells all that
// and more, and only while the ring repeats the register to the last milliwatt (docs/measurement.md §4.1, §5).

import type { PowerField } from '../model.ts';
import { fromMilliwatts } from '../units.ts';
import { FIELD, type NvmlHandle, type NvmlLibrary, SCOPE, valueOf } from './nvml-abi.ts';
import { isPermanent, NVML } from './nvml-return.ts';
import { failedRow, monotonicSeconds, type RingRow } from './nvml-shared.ts';
import { type Bracket, StampClock } from './nvml-stamps.ts';
import { FieldRequest, type PowerSample } from './nvml-structs.ts';

/** What is known of a GPU's ring. */
export interface SampleRing {
  /** The register whose refreshes it holds. */
  readonly field: PowerField;
  /** Typical distance of two samples. */
  readonly periodSeconds: number;
  /** How far back it was seen to reach. */
  readonly spanSeconds: number;
}

/** Takes a reading. */
export type PushRow = (row: Readonly<RingRow>) => void;

/** Reads the register that a ring is to repeat, W; undefined when it does not answer. */
type ReadRegister = () => number | undefined;

const FEWEST_SAMPLES = 4;
const LONGEST_PERIOD_SECONDS = 0.25;
const PROBE_TRIES = 3;
const CHECK_PERIOD_SECONDS = 1;
// One may be a refresh between two calls, or somebody who sets the clock; several in a row are no ring to rely on.
const MOST_CONTRADICTIONS = 3;
// Without a new sample for so long the stamps' clock may have been set back: the driver then shows nothing "newer".
const SILENT_SECONDS = 0.25;
const SILENT_PERIODS = 3;
// A refresh's doubt stays so much of a period away from its neighbours'.
const DOUBT_SHARE = 0.25;
// Stamps farther apart are of a clock that was set.
const LONGEST_STEP_PERIODS = 3;
const LEAST_DOUBT_SECONDS = 0.0002;

const secondsOf = ({ timestampMicroseconds }: PowerSample): number =>
  Number(timestampMicroseconds) / 1e6;
const wattsOf = ({ milliwatts }: PowerSample): number => fromMilliwatts(milliwatts);

/** The register `field` of a GPU by a call of its own. */
export function registerReader(
  library: NvmlLibrary,
  handle: NvmlHandle,
  field: PowerField,
): ReadRegister {
  if (field === 'draw') {
    return () => {
      const milliwatts = valueOf(library.powerMilliwatts(handle));
      return milliwatts === undefined ? undefined : fromMilliwatts(milliwatts);
    };
  }
  const id = field === 'instant' ? FIELD.instantMilliwatts : FIELD.averageMilliwatts;
  const request = new FieldRequest([{ id, scope: SCOPE.gpu }]);
  return () => {
    library.fieldValues(handle, request);
    return request.code(0) === NVML.success ? fromMilliwatts(request.value(0)) : undefined;
  };
}

/** What a GPU's ring holds, if it repeats `readRegister`; where there is no register it is all there is, and believed. */
export function probeRing(
  library: NvmlLibrary,
  handle: NvmlHandle,
  field: PowerField,
  readRegister: ReadRegister | undefined,
): SampleRing | 'later' | 'never' {
  for (let attempt = 0; attempt < PROBE_TRIES; attempt += 1) {
    const before = readRegister?.();
    const answer = library.powerSamples(handle, 0n);
    const after = readRegister?.();
    if (answer.kind === 'failed') return isPermanent(answer.code) ? 'never' : 'later';
    const ring = describe(answer.value, field);
    if (ring === undefined) return 'later';
    if (readRegister === undefined) return ring;
    // The register may have refreshed between the calls.
    const newest = answer.value.slice(-2).map(wattsOf);
    if (newest.some((watts) => watts === before || watts === after)) return ring;
  }
  return 'later';
}

function describe(samples: readonly PowerSample[], field: PowerField): SampleRing | undefined {
  const [first, last] = [samples.at(0), samples.at(-1)];
  if (first === undefined || last === undefined || samples.length < FEWEST_SAMPLES)
    return undefined;
  const steps = samples
    .slice(1)
    .map((sample, index) => secondsOf(sample) - secondsOf(samples[index] ?? sample))
    .toSorted((a, b) => a - b);
  const periodSeconds = steps[Math.floor(steps.length / 2)] ?? 0;
  const isOrdered = (steps[0] ?? 0) > 0;
  if (!isOrdered || periodSeconds > LONGEST_PERIOD_SECONDS) return undefined;
  return { field, periodSeconds, spanSeconds: secondsOf(last) - secondsOf(first) };
}

/** One GPU's ring, read again and again. */
export class RingReader {
  readonly #library: NvmlLibrary;
  readonly #ring: SampleRing;
  readonly #readRegister: ReadRegister | undefined;
  readonly #clock = new StampClock();
  readonly #row: RingRow;
  /** Stamp of the newest sample that was taken. */
  #lastSeen = 0n;
  #askedAt = Number.NaN;
  /** When the question was asked that last brought something. */
  #broughtAt = Number.NaN;
  #rowAt = Number.NEGATIVE_INFINITY;
  #watts = Number.NaN;
  #checkAt = 0;
  /** What the register said, and whether one answer has not repeated it already. */
  #claim: { readonly watts: number; isUnmet: boolean } | undefined;
  /** In a row: answers whose stamps no clock could have made; claims that no sample repeated. */
  #disordered = 0;
  #contradicted = 0;
  /** It holds nothing newer although time has passed. */
  #stands = false;
  /** Samples that were told under a clock that has been set back since: newer than all others by their stamps. */
  #told: { readonly from: bigint; readonly to: bigint; readonly until: number } | undefined;
  /** No refresh before this is told any more. */
  #floorSeconds = Number.NEGATIVE_INFINITY;

  constructor(
    library: NvmlLibrary,
    slot: number,
    ring: SampleRing,
    readRegister: ReadRegister | undefined,
  ) {
    this.#library = library;
    this.#ring = ring;
    this.#readRegister = readRegister;
    this.#row = failedRow(slot, 'ok');
  }

  /** Whether it is not to be relied on any more; never so where there is no register to go back to. */
  get isLost(): boolean {
    if (this.#readRegister === undefined) return false;
    return Math.max(this.#disordered, this.#contradicted) >= MOST_CONTRADICTIONS || this.#stands;
  }

  /** A failed reading was told at `time`: what the ring may still hold of before comes too late. */
  skipTo(time: number): void {
    this.#floorSeconds = time;
  }

  /** Pushes a reading for each refresh since the last question. Returns the driver's code. */
  take(handle: NvmlHandle, push: PushRow): number {
    this.#askRegister();
    const asked = monotonicSeconds();
    const answer = this.#library.powerSamples(handle, this.#lastSeen);
    const bracket = { after: this.#askedAt, until: monotonicSeconds() };
    if (answer.kind === 'failed') return answer.code;
    this.#askedAt = asked;
    if (Number.isNaN(bracket.after)) return this.#begin(answer.value, asked, push);
    const fresh = this.#untold(answer.value, asked);
    if (fresh.length > 0) this.#takeFresh(fresh, bracket, asked, push);
    else if (asked - this.#broughtAt > this.#silentSeconds) this.#takeReset(handle, asked, push);
    return NVML.success;
  }

  get #silentSeconds(): number {
    return Math.max(SILENT_SECONDS, SILENT_PERIODS * this.#ring.periodSeconds);
  }

  /** The newest sample is what the register shows now; those before it are not ours. */
  #begin(samples: readonly PowerSample[], asked: number, push: PushRow): number {
    const newest = samples.at(-1);
    this.#broughtAt = asked;
    if (newest === undefined) return NVML.noData;
    this.#lastSeen = newest.timestampMicroseconds;
    this.#watts = wattsOf(newest);
    if (Number.isNaN(this.#watts)) return NVML.noData;
    this.#push(asked, this.#watts, push);
    return NVML.success;
  }

  #takeFresh(
    samples: readonly PowerSample[],
    bracket: Bracket,
    asked: number,
    push: PushRow,
  ): void {
    const [first, last] = [samples.at(0), samples.at(-1)];
    if (first === undefined || last === undefined) return;
    const isOrdered = this.#clock.observe(secondsOf(first), secondsOf(last), bracket);
    this.#disordered = isOrdered ? 0 : this.#disordered + 1;
    this.#compare(samples);
    const times = isOrdered
      ? samples.map((sample) => this.#clock.timeOf(secondsOf(sample), bracket))
      : this.#timesBefore(samples, bracket);
    samples.forEach((sample, index) =>
      this.#pushRefresh(times[index] ?? bracket.until, wattsOf(sample), bracket.until, push),
    );
    this.#lastSeen = last.timestampMicroseconds;
    this.#broughtAt = asked;
  }

  /** Samples that were shown late, or whose clock was set between them: counted back from the newest. */
  #timesBefore(samples: readonly PowerSample[], { after, until }: Bracket): readonly number[] {
    const { periodSeconds } = this.#ring;
    const earliest = Math.min(this.#broughtAt, after);
    let time = until - periodSeconds / 2;
    return samples
      .map((sample, index) => {
        const next = samples[index + 1];
        const step = next === undefined ? 0 : secondsOf(next) - secondsOf(sample);
        return step < 0 || step > LONGEST_STEP_PERIODS * periodSeconds ? periodSeconds : step;
      })
      .reduceRight<number[]>((times, step) => {
        time = Math.max(earliest, time - step);
        return [time, ...times];
      }, []);
  }

  /** The stamps' clock was set back: the samples since then stand behind the newest that was taken. */
  #takeReset(handle: NvmlHandle, asked: number, push: PushRow): void {
    const answer = this.#library.powerSamples(handle, 0n);
    if (answer.kind === 'failed') return;
    const seen = answer.value.findLastIndex(
      ({ timestampMicroseconds }) => timestampMicroseconds === this.#lastSeen,
    );
    const told = answer.value.slice(0, seen + 1);
    const fresh = answer.value.slice(seen + 1);
    this.#stands = fresh.length === 0;
    if (this.#stands) return;
    const from = told.at(0)?.timestampMicroseconds ?? this.#lastSeen;
    this.#told = { from, to: this.#lastSeen, until: asked + 2 * this.#ring.spanSeconds };
    this.#clock.reset();
    // They were hidden from earlier questions, and came after the last one that was told.
    this.#takeFresh(fresh, { after: this.#rowAt, until: monotonicSeconds() }, asked, push);
  }

  #untold(samples: readonly PowerSample[], asked: number): readonly PowerSample[] {
    const told = this.#told;
    if (told === undefined) return samples;
    if (asked > told.until) this.#told = undefined;
    return samples.filter(
      ({ timestampMicroseconds: stamp }) => stamp < told.from || stamp > told.to,
    );
  }

  /** A refresh is what a poll just before it and one just after it would have seen, as near as its time is known. */
  #pushRefresh(time: number, watts: number, until: number, push: PushRow): void {
    if (Number.isNaN(watts) || time <= this.#floorSeconds) return;
    const doubt = Math.min(
      Math.max(this.#clock.doubtSeconds, LEAST_DOUBT_SECONDS),
      DOUBT_SHARE * this.#ring.periodSeconds,
    );
    const changes = watts !== this.#watts && !Number.isNaN(this.#watts);
    if (changes) this.#push(time - doubt, this.#watts, push);
    this.#push(Math.min(time + doubt, until), watts, push);
    this.#watts = watts;
  }

  #push(time: number, watts: number, push: PushRow): void {
    this.#rowAt = Math.max(this.#rowAt, time);
    this.#row.monotonicSeconds = this.#rowAt;
    const { field } = this.#ring;
    if (field === 'instant') this.#row.instantWatts = watts;
    else if (field === 'average') this.#row.averageWatts = watts;
    else this.#row.drawWatts = watts;
    push(this.#row);
  }

  #askRegister(): void {
    const now = monotonicSeconds();
    if (this.#readRegister === undefined || this.#claim !== undefined || now < this.#checkAt)
      return;
    this.#checkAt = now + CHECK_PERIOD_SECONDS;
    const watts = this.#readRegister();
    if (watts !== undefined) this.#claim = { watts, isUnmet: false };
  }

  /** The register's value is that of the newest sample before it was read, or of one in this answer or the next. */
  #compare(samples: readonly PowerSample[]): void {
    const claim = this.#claim;
    if (claim === undefined) return;
    const isMet =
      this.#watts === claim.watts || samples.some((sample) => wattsOf(sample) === claim.watts);
    if (!isMet && !claim.isUnmet) {
      claim.isUnmet = true;
      return;
    }
    this.#claim = undefined;
    this.#contradicted = isMet ? 0 : this.#contradicted + 1;
  }
}
