// From callbacks to an async generator: what a source's children and timers say, in the order they said it.

/** Events that were pushed wait here until they are pulled. */
export interface EventQueue<T> {
  push(event: T): void;
  /** No more will come; what waits is still delivered. */
  end(): void;
  /** As `end`, and then the consumer gets this error. */
  fail(error: unknown): void;
  pull(): AsyncGenerator<T, void, void>;
}

/** An empty queue for one consumer. */
export function eventQueue<T>(): EventQueue<T> {
  let waiting: T[] = [];
  let wake: (() => void) | undefined;
  let outcome: { readonly error?: unknown } | undefined;

  const rouse = (): void => {
    wake?.();
    wake = undefined;
  };

  return {
    push(event) {
      if (outcome !== undefined) return;
      waiting.push(event);
      rouse();
    },
    end() {
      outcome ??= {};
      rouse();
    },
    fail(error) {
      outcome ??= { error };
      rouse();
    },
    async *pull() {
      for (;;) {
        const events = waiting;
        waiting = [];
        yield* events;
        if (waiting.length > 0) continue;
        if (outcome !== undefined) {
          if ('error' in outcome) throw outcome.error;
          return;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
