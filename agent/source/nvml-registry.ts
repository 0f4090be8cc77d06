// What every session of this process remembers of GPUs: which slot of the shared memory a UUID has, and its facts.

import type { NvmlDeviceFacts } from './nvml-probe.ts';
import { MAX_SLOTS } from './nvml-shared.ts';

/** GPUs by UUID, over sessions that come and go. */
export class NvmlRegistry {
  readonly #slots = new Map<string, number>();
  readonly #facts = new Map<string, NvmlDeviceFacts>();
  #revision = 0;

  /** Grows when a fact changes: then the devices are announced anew. */
  get revision(): number {
    return this.#revision;
  }

  /** How many different GPUs this process has met. */
  get size(): number {
    return this.#facts.size;
  }

  uuids(): string[] {
    return [...this.#facts.keys()];
  }

  factsOf(uuid: string): NvmlDeviceFacts | undefined {
    return this.#facts.get(uuid);
  }

  remember(facts: NvmlDeviceFacts): void {
    const known = this.#facts.get(facts.device.uuid);
    if (known !== undefined && JSON.stringify(known) === JSON.stringify(facts)) return;
    this.#facts.set(facts.device.uuid, facts);
    this.#revision++;
  }

  slotOf(uuid: string): number {
    const known = this.#slots.get(uuid);
    if (known !== undefined) return known;
    const slot = this.#slots.size;
    if (slot >= MAX_SLOTS) throw new Error(`More than ${MAX_SLOTS} different GPUs in one process.`);
    this.#slots.set(uuid, slot);
    return slot;
  }

  entries(): { readonly slot: number; readonly facts: NvmlDeviceFacts }[] {
    return [...this.#facts].map(([uuid, facts]) => ({ slot: this.slotOf(uuid), facts }));
  }
}
