// A real terminal for tests: script(1) holds a pseudo-terminal, and what is written here is typed there.

import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';

/** A program on a pseudo-terminal. */
export class Terminal implements AsyncDisposable {
  readonly #script: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<number | null>;
  #screen = '';
  #seen = 0;
  #wake: () => void = () => undefined;

  constructor(command: string, environment: NodeJS.ProcessEnv) {
    this.#script = spawn('script', ['-qefc', command, '/dev/null'], {
      env: { ...environment, SHELL: '/bin/bash', TERM: 'dumb', PS1: '$ ' },
    });
    this.#script.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#screen += text;
      this.#wake();
    });
    this.#ended = new Promise((resolve) => {
      this.#script.once('exit', (code) => {
        resolve(code);
        this.#wake();
      });
    });
  }

  /** Types. Control characters are what the keys send: \u0003 for Ctrl-C. */
  type(keys: string): void {
    this.#script.stdin.write(keys);
  }

  /** Waits until the screen shows `pattern` after what was waited for before. */
  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#screen.slice(this.#seen));
      if (match !== null) {
        this.#seen += match.index + match[0].length;
        return match;
      }
      if (this.#script.exitCode !== null) {
        throw new Error(`The terminal ended without showing ${pattern}:\n${this.#screen}`);
      }
      await new Promise<void>((resolve, reject) => {
        const deadline = setTimeout(
          () => reject(new Error(`Never shown: ${pattern}\n${this.#screen}`)),
          30_000,
        );
        this.#wake = () => {
          clearTimeout(deadline);
          resolve();
        };
      });
    }
  }

  /** The exit code of the program on it. */
  ended(): Promise<number | null> {
    return this.#ended;
  }

  /** Everything shown so far. */
  get screen(): string {
    return this.#screen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#script.kill('SIGKILL');
    await this.#ended;
  }
}
