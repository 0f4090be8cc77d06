#!/usr/bin/env node
// Composition root: the only file with the process, its signals and its exit code.

import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';

import type { Context, Screen } from './cli/context.ts';
import { runProgram } from './cli/program.ts';
import { takeTerminal } from './cli/terminal.ts';
import { leave } from './exit.ts';
import { readVersion } from './version.ts';

const EXIT_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
const EXIT_BY_SIGNAL = 128;
const ORDERLY_END_MILLISECONDS = 5000;
const DEFAULT_COLUMNS = 80;
const FULL_PIPE_PAUSE_MILLISECONDS = 5;
const FULL_PIPE_PATIENCE = 200;

const stop = new AbortController();
let askedMilliseconds = 0;
const onSignal = (signal: (typeof EXIT_SIGNALS)[number]): void => {
  if (!stop.signal.aborted) {
    askedMilliseconds = performance.now();
    stop.abort();
    return;
  }
  // Under npm one Ctrl-C arrives twice, from the terminal and from npm: the report is still owed. Only whoever asks
  // again after the time that an orderly end takes will not wait for it.
  if (performance.now() - askedMilliseconds < ORDERLY_END_MILLISECONDS) return;
  end(EXIT_BY_SIGNAL + SIGNAL_NUMBERS[signal]);
};
for (const signal of EXIT_SIGNALS) process.on(signal, onSignal);

const pause = new Int32Array(new SharedArrayBuffer(4));

function openScreen(descriptor: 1 | 2): Screen {
  const columns = Number(process.env['COLUMNS']);
  return {
    isTerminal: isatty(descriptor),
    columns: Number.isInteger(columns) && columns > 0 ? columns : DEFAULT_COLUMNS,
    write: (text) => writeAll(descriptor, Buffer.from(text)),
  };
}

/** Writes it all, or gives up: `wattmeter report | head` is no error, and a closed terminal ends no bookkeeping. */
function writeAll(descriptor: number, bytes: Uint8Array): void {
  let rest = bytes;
  for (let refusals = 0; rest.length > 0 && refusals < FULL_PIPE_PATIENCE;) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
      // Somebody else made the pipe non-blocking and its reader is slow.
      refusals += 1;
      Atomics.wait(pause, 0, 0, FULL_PIPE_PAUSE_MILLISECONDS);
    }
  }
}

let isAbrupt = false;
const context: Context = {
  stdout: openScreen(1),
  stderr: openScreen(2),
  environment: process.env,
  // Node's own streams are made here and nowhere else: only a command that owns its terminal may have them.
  openTerminal: () => (isatty(1) ? takeTerminal(process.stdin, process.stdout) : undefined),
  signal: stop.signal,
  takeSignals: () => {
    for (const signal of EXIT_SIGNALS) process.off(signal, onSignal);
    return process;
  },
  surviveCrashes: (say) => {
    process.on('uncaughtException', say);
    process.on('unhandledRejection', say);
  },
  processId: process.pid,
  kill: (pid, signal) => process.kill(pid, signal),
  leaveAbruptly: () => {
    isAbrupt = true;
  },
  ...readVersion(),
};

// What a file system or a name server may keep one of Node's threads waiting for; `process.exit` would wait for it too.
const THREAD_REQUEST = /^(?:FSReq|GetAddrInfoReq|GetNameInfoReq)/;

function end(exitCode: number): never {
  const isWaiting = process.getActiveResourcesInfo().some((name) => THREAD_REQUEST.test(name));
  return isAbrupt || isWaiting ? leave(exitCode) : process.exit(exitCode);
}

end(await runProgram(process.argv.slice(2), context));
