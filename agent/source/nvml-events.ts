// XID events: what the driver itself reports of a GPU's errors, asked for once a second and never waited for.
// https://docs.nvidia.com/deploy/xid-errors/

import { type NvmlHandle, type NvmlLibrary, valueOf } from './nvml-abi.ts';
import { NVML } from './nvml-return.ts';

/** An XID error of a GPU. */
export interface XidEvent {
  readonly uuid: string;
  readonly xid: number;
}

const MEANINGS: Readonly<Record<number, string>> = {
  13: 'a graphics engine exception, mostly of a program',
  31: 'a page fault in its memory, mostly of a program',
  43: 'it stopped processing, mostly for a program',
  45: 'work was cleaned up after an earlier error',
  48: 'a double-bit memory error',
  63: 'a memory row was remapped',
  64: 'a memory row could not be remapped',
  74: 'an NVLink error',
  79: 'it fell off the bus',
  92: 'many single-bit memory errors',
  94: 'a memory error, contained',
  95: 'a memory error, not contained',
  119: 'its system processor (GSP) did not answer',
  120: 'an error of its system processor (GSP)',
};

/** An XID for people. */
export const explainXid = (xid: number): string => {
  const meaning = MEANINGS[xid];
  return `Xid ${xid}${meaning === undefined ? '' : ` (${meaning})`}`;
};

// A GPU that breaks reports some tens of errors at once: the rest waits for the next second.
const MOST_EVENTS = 64;

/** Events of the GPUs that have them; a driver without them has none, and nothing fails. */
export class XidEvents {
  readonly #library: NvmlLibrary;
  readonly #uuids = new Map<NvmlHandle, string>();
  #set: bigint | undefined;

  constructor(library: NvmlLibrary) {
    this.#library = library;
  }

  /** Registers for a GPU's events; returns whether it has any. */
  register(handle: NvmlHandle, uuid: string): boolean {
    this.#set ??= valueOf(this.#library.createEventSet());
    if (this.#set === undefined) return false;
    if (this.#library.registerXidEvents(handle, this.#set) !== NVML.success) return false;
    this.#uuids.set(handle, uuid);
    return true;
  }

  /** What has come since the last question. */
  take(): XidEvent[] {
    const events: XidEvent[] = [];
    if (this.#set === undefined || this.#uuids.size === 0) return events;
    while (events.length < MOST_EVENTS) {
      const event = valueOf(this.#library.nextEvent(this.#set));
      if (event === undefined) return events;
      const uuid = this.#uuids.get(event.device);
      if (uuid !== undefined) events.push({ uuid, xid: event.data });
    }
    return events;
  }

  /** Lets go of the driver's set. */
  close(): void {
    if (this.#set !== undefined) this.#library.freeEventSet(this.#set);
    this.#set = undefined;
  }
}
