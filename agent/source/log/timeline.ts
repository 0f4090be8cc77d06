// Puts a log's times on one timeline that never bends: by the monotonic column where there is one, else by the wall
// clock with its backward steps taken out.

const NANOSECONDS_PER_SECOND = 1e9;
// A wall clock that goes back by more than rows can be out of order was set, or the log has a second part.
const CLOCK_SET_SECONDS = 5;
// The monotonic clock is believed over the wall clock, unless it jumps in a way that only another boot explains.
const OTHER_BOOT_SECONDS = 60;
const AGREEMENT_SECONDS = 1;

/** A timeline for the rows of one file. */
export interface Timeline {
  /** The instant of a row. `forerunnerSeconds` is the newest time of the same device on this timeline. */
  place(wallSeconds: number, monotonicNanoseconds: number, forerunnerSeconds: number): number;
  /** Wall clock minus timeline at the newest row. */
  readonly wallOffsetSeconds: number;
  /** How often the wall clock was found to have been set back. */
  readonly setBackCount: number;
}

/** A timeline anchored at the first row's wall time. */
export function timeline(): Timeline {
  let anchor: { readonly wall: number; readonly monotonic: number } | undefined;
  let previous = { wall: 0, monotonic: 0 };
  let wallOffsetSeconds = 0;
  let setBackCount = 0;

  const isOtherBoot = (wall: number, monotonic: number): boolean => {
    const step = monotonic - previous.monotonic;
    const disagreement = Math.abs(step - (wall - previous.wall));
    return (step < 0 || step > OTHER_BOOT_SECONDS) && disagreement > AGREEMENT_SECONDS;
  };

  const placeByMonotonic = (wall: number, monotonic: number): number => {
    if (anchor === undefined || isOtherBoot(wall, monotonic)) anchor = { wall, monotonic };
    previous = { wall, monotonic };
    const placed = anchor.wall + (monotonic - anchor.monotonic);
    const offset = wall - placed;
    // Timestamps are rounded to milliseconds: less than that is no setting of the clock.
    wallOffsetSeconds = Math.abs(offset) < AGREEMENT_SECONDS ? 0 : offset;
    return placed;
  };

  return {
    place(wallSeconds, monotonicNanoseconds, forerunnerSeconds) {
      if (monotonicNanoseconds === monotonicNanoseconds) {
        return placeByMonotonic(wallSeconds, monotonicNanoseconds / NANOSECONDS_PER_SECOND);
      }
      const placed = wallSeconds - wallOffsetSeconds;
      if (placed >= forerunnerSeconds - CLOCK_SET_SECONDS) return placed;
      setBackCount += 1;
      wallOffsetSeconds = wallSeconds - forerunnerSeconds;
      return forerunnerSeconds;
    },
    get wallOffsetSeconds() {
      return wallOffsetSeconds;
    },
    get setBackCount() {
      return setBackCount;
    },
  };
}
