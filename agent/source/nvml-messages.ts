// What the NVML worker tells the main thread by message: facts and complaints. Readings go through shared memory.

import type { Warning } from '../model.ts';
import type { Fate } from './source.ts';
import type { ComputeProcess } from './nvml-structs.ts';
import type { XidEvent } from './nvml-events.ts';
import type { NvmlDeviceFacts } from './nvml-probe.ts';
import type { NvmlBuffers } from './nvml-shared.ts';

/** What the worker is started with. */
export interface NvmlWorkerData {
  readonly buffers: NvmlBuffers;
  /** Candidates in order; a bare soname is looked up as the loader does. */
  readonly libraryPaths: readonly string[];
  /** Absent: chosen from what the devices have. */
  readonly periodSeconds?: number;
  /** Whether a driver that is not there yet is waited for. */
  readonly waitForDriver: boolean;
  readonly processes: boolean;
  readonly sysfsRoot: string;
}

/** A process on a GPU and its use of the SMs since the last look. */
export interface GpuProcess extends ComputeProcess {
  /** Absent where the driver does not say. */
  readonly smUtilizationRatio?: number;
}

/** The processes of one GPU. */
export interface DeviceProcesses {
  readonly uuid: string;
  readonly processes: readonly GpuProcess[];
}

/** A message of the worker. */
export type NvmlMessage =
  /** `slots[i]` is the ring slot of `devices[i]`. */
  | {
      readonly kind: 'devices';
      readonly slots: readonly number[];
      readonly devices: readonly NvmlDeviceFacts[];
      readonly periodSeconds: number;
    }
  | { readonly kind: 'fault'; readonly reason: string; readonly message: string }
  | { readonly kind: 'warning'; readonly warning: Warning }
  | {
      readonly kind: 'processes';
      readonly monotonicSeconds: number;
      readonly devices: readonly DeviceProcesses[];
    }
  | {
      readonly kind: 'xid';
      readonly monotonicSeconds: number;
      readonly events: readonly XidEvent[];
    }
  /** It gives up: SourceError on the other side. */
  | {
      readonly kind: 'refused';
      readonly reason: string;
      readonly fate: Fate;
      readonly message: string;
    };
