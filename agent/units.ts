// Branded units: the one place where a bare number becomes a quantity, and where a quantity changes its unit.
// Joules and seconds inside; kilowatt-hours, money and grams only in price, carbon and display.

declare const unit: unique symbol;
type Branded<Name extends string> = number & { readonly [unit]: Name };

/** Energy in joules. */
export type Joules = Branded<'joules'>;
/** Power in watts. */
export type Watts = Branded<'watts'>;
/** A duration in seconds. */
export type Seconds = Branded<'seconds'>;
/** A point on the timeline of clock.ts: seconds since 1970-01-01T00:00:00Z (a float64 resolves 0.3 µs). */
export type Instant = Branded<'instant'>;
/** Energy in kilowatt-hours: the unit of tariffs and of grid intensities. */
export type KilowattHours = Branded<'kilowatt-hours'>;
/** Mass of CO₂-equivalent in grams. */
export type Grams = Branded<'grams'>;

const JOULES_PER_KILOWATT_HOUR = 3.6e6;
const MILLISECONDS_PER_SECOND = 1e3;

/** Calls a number joules. */
export const joules = (value: number): Joules => value as Joules;
/** Calls a number watts. */
export const watts = (value: number): Watts => value as Watts;
/** Calls a number seconds of duration. */
export const seconds = (value: number): Seconds => value as Seconds;
/** Calls a number an instant: seconds since 1970 UTC. */
export const instant = (value: number): Instant => value as Instant;
/** Calls a number kilowatt-hours. */
export const kilowattHours = (value: number): KilowattHours => value as KilowattHours;
/** Calls a number grams. */
export const grams = (value: number): Grams => value as Grams;

/** The time from `start` to `end`; negative when `end` is earlier. */
export const between = (start: Instant, end: Instant): Seconds => (end - start) as Seconds;
/** The instant `duration` after `start`. */
export const after = (start: Instant, duration: number): Instant => (start + duration) as Instant;
/** Mean power over observed time; undefined when nothing was observed, because 0 W would be a claim. */
export const meanPower = (energy: Joules, observed: Seconds): Watts | undefined =>
  observed > 0 ? ((energy / observed) as Watts) : undefined;

/** J → kWh. */
export const toKilowattHours = (energy: number): KilowattHours =>
  (energy / JOULES_PER_KILOWATT_HOUR) as KilowattHours;
/** kWh → J. */
export const fromKilowattHours = (energy: number): Joules =>
  (energy * JOULES_PER_KILOWATT_HOUR) as Joules;
/** mW → W, as NVML reports power. */
export const fromMilliwatts = (power: number): Watts => (power / 1e3) as Watts;
/** mJ → J, as NVML reports energy. */
export const fromMillijoules = (energy: number): Joules => (energy / 1e3) as Joules;
/** µJ → J, as powercap and hwmon report energy. */
export const fromMicrojoules = (energy: number): Joules => (energy / 1e6) as Joules;
/** µW → W, as hwmon reports power. */
export const fromMicrowatts = (power: number): Watts => (power / 1e6) as Watts;
/** MiB → bytes, as nvidia-smi reports memory. */
export const fromMebibytes = (size: number): number => size * 1_048_576;
/** MHz → Hz, as nvidia-smi reports clocks. */
export const fromMegahertz = (frequency: number): number => frequency * 1e6;
/** Per cent → ratio. */
export const fromPercent = (value: number): number => value / 100;
/** Milliseconds since 1970 (as Date has them) → instant. */
export const fromUnixMilliseconds = (value: number): Instant =>
  (value / MILLISECONDS_PER_SECOND) as Instant;
/** Instant → milliseconds since 1970, as Date wants them. */
export const toUnixMilliseconds = (value: Instant): number => value * MILLISECONDS_PER_SECOND;
