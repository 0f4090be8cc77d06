import type { Load } from './gpu-scenario.ts';

/** One term of a load; a load is their sum. */
export type LoadTerm =
  | Load
  | { readonly kind: 'constant'; readonly watts: number }
  | { readonly kind: 'step'; readonly atSeconds: number; readonly riseWatts: number }
  | {
      readonly kind: 'square';
      readonly swingWatts: number;
      readonly periodSeconds: number;
      readonly duty: number;
      readonly phaseSeconds?: number;
    }
  | { readonly kind: 'sine'; readonly amplitudeWatts: number; readonly periodSeconds: number };

export interface SensorOfDouble {
  readonly windowSeconds: number;
  readonly periodSeconds: number;
  readonly phaseSeconds?: number;
  readonly gain?: number;
  readonly offsetWatts?: number;
}

export function loadEnergyJoules(
  load: readonly LoadTerm[],
  fromSeconds: number,
  toSeconds: number,
): number;
export function sensorWatts(load: readonly LoadTerm[], sensor: SensorOfDouble, t: number): number;
