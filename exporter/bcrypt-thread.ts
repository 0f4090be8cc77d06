// bcrypt off the main thread: one comparison takes a tenth of a second on purpose, and a flood of wrong passwords must
// not delay a sample or a scrape.

import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';

// Given as text, so that it runs the same from dist/ and from the sources; it holds no logic to check.
const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
const { compareSync } = require(workerData);
parentPort.on('message', ({ password, hash }) => parentPort.postMessage(compareSync(password, hash)));
`;

interface Waiting {
  readonly resolve: (right: boolean) => void;
  readonly reject: (error: Error) => void;
}

/** Compares passwords with hashes, one after the other, in a thread that starts with the first. */
export class BcryptThread implements AsyncDisposable {
  #worker: Worker | undefined;
  // The thread answers in the order of the questions.
  #waiting: Waiting[] = [];

  /** How many comparisons wait, the one under way included. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Whether the password is the one of the hash. */
  compare(password: string, hash: string): Promise<boolean> {
    const worker = (this.#worker ??= this.#start());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      worker.postMessage({ password, hash });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const worker = this.#worker;
    this.#fail(new Error('The exporter stops.'));
    await worker?.terminate();
  }

  #start(): Worker {
    const library = createRequire(import.meta.url).resolve('bcryptjs');
    const worker = new Worker(THREAD, { eval: true, workerData: library });
    worker.unref();
    worker.on('message', (right: boolean) => this.#waiting.shift()?.resolve(right));
    worker.on('error', (error: Error) => this.#fail(error));
    return worker;
  }

  #fail(error: Error): void {
    this.#worker = undefined;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}
