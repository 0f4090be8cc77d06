// What a power reading of this device means: which register, its averaging window W and refresh period T, and since
// when each is known. Readings teach it (refresh-grid.ts); until then the table of boards speaks (boards.ts).

import type { Device, PowerField, Sensor } from '../model.ts';
import { registerOf, type Register } from './boards.ts';
import { createRefreshGrid, type RefreshGrid } from './refresh-grid.ts';

/** A sensor that sees so much of the time is taken to see all of it. */
export const FULL_COVERAGE = 0.95;

/** A device's power register under observation. */
export interface SensorModel {
  /** The register in use; undefined until the first reading. */
  readonly field: PowerField | undefined;
  readonly grid: RefreshGrid;
  /** Taken to cover the period where nothing is known of it. */
  readonly windowSeconds: number;
  /** When values change teaches the period, never the window: false where nothing but the period is known. */
  readonly isWindowKnown: boolean;
  readonly periodSeconds: number;
  /** How much of the time the sensor sees, W/T, at most 1. */
  readonly coverage: number;
  /** How much later than its mean a held value stands: (W + T)/2. */
  readonly delaySeconds: number;
  /** Whether the table of boards knows it; else usual values are taken. */
  readonly isBoardKnown: boolean;
  /** Where window and period come from. */
  readonly origin: Sensor['origin'];
  /** Starts over with this register. */
  use(field: PowerField): void;
}

// An unknown NVIDIA board: 100 ms is the period of every architecture since Ampere (docs/measurement.md §1).
const USUAL_REGISTER: Register = { windowSeconds: 0.1, periodSeconds: 0.1 };
// Other sources (hwmon, RAPL, modelled power) compute their value when asked, as far as anybody knows.
const IMMEDIATE_REGISTER: Register = { windowSeconds: 0, periodSeconds: 0 };
// power.draw.average is a mean over one second wherever it exists (docs/measurement.md §1).
const AVERAGE_WINDOW_SECONDS = 1;

const refreshesLikeNvidia = (device: Device): boolean =>
  device.powerOrigin === 'measured' &&
  device.kind === 'gpu' &&
  ['nvml', 'nvidia-smi', 'replay'].includes(device.source);

const coverageOf = ({ windowSeconds, periodSeconds }: Register): number =>
  periodSeconds > 0 ? Math.min(1, windowSeconds / periodSeconds) : 1;

// Without knowledge of the board: the shortest window first.
const USUAL_ORDER: readonly PowerField[] = ['instant', 'average', 'draw'];

/**
 * The register that sees most of the time, and among equals the one that blurs it least (docs/measurement.md §4.2);
 * undefined when there is none.
 */
export function chooseField(
  device: Device,
  available: readonly PowerField[],
): PowerField | undefined {
  const rated = USUAL_ORDER.filter((field) => available.includes(field)).map((field) => {
    const register = registerOf(device, field);
    return {
      field,
      coverage: register === undefined ? 1 : coverageOf(register),
      window: register?.windowSeconds ?? (field === 'average' ? AVERAGE_WINDOW_SECONDS : 0),
    };
  });
  return rated.toSorted((a, b) => b.coverage - a.coverage || a.window - b.window)[0]?.field;
}

/** Starts without a register: `use` says which, once readings show what there is. */
export function createSensorModel(device: Device): SensorModel {
  let grid = createRefreshGrid();
  let field: PowerField | undefined;
  let known: ReturnType<typeof registerOf>;
  const fallback = refreshesLikeNvidia(device) ? USUAL_REGISTER : IMMEDIATE_REGISTER;
  const periodSeconds = (): number =>
    grid.periodSeconds ?? known?.periodSeconds ?? fallback.periodSeconds;
  const statedWindowSeconds = (): number | undefined =>
    known?.windowSeconds ??
    (field === 'average' && refreshesLikeNvidia(device) ? AVERAGE_WINDOW_SECONDS : undefined);
  const windowSeconds = (): number => statedWindowSeconds() ?? periodSeconds();

  return {
    get field() {
      return field;
    },
    get grid() {
      return grid;
    },
    get windowSeconds() {
      return windowSeconds();
    },
    get isWindowKnown() {
      return statedWindowSeconds() !== undefined || grid.periodSeconds === undefined;
    },
    get periodSeconds() {
      return periodSeconds();
    },
    get coverage() {
      return coverageOf({ windowSeconds: windowSeconds(), periodSeconds: periodSeconds() });
    },
    get delaySeconds() {
      return (windowSeconds() + periodSeconds()) / 2;
    },
    get isBoardKnown() {
      return known?.origin === 'table';
    },
    get origin() {
      return grid.periodSeconds === undefined ? (known?.origin ?? 'assumed') : 'inferred';
    },
    use(next) {
      field = next;
      known = registerOf(device, next);
      grid = createRefreshGrid(known?.periodSeconds ?? (fallback.periodSeconds || undefined));
    },
  };
}
