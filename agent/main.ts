#!/usr/bin/env node
// Composition root: the only file with the process, its signals and its exit code.

import type { Context } from './cli/context.ts';
import { runProgram } from './cli/program.ts';
import { readVersion } from './version.ts';

const EXIT_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
const EXIT_BY_SIGNAL = 128;

const stop = new AbortController();
const onSignal = (signal: (typeof EXIT_SIGNALS)[number]): void => {
  // The first asks for an orderly end, the second does not wait for it.
  if (stop.signal.aborted) process.exit(EXIT_BY_SIGNAL + SIGNAL_NUMBERS[signal]);
  stop.abort();
};
for (const signal of EXIT_SIGNALS) process.on(signal, onSignal);

// `wattmeter report | head` is no error, and a closed terminal must not end an agent's bookkeeping.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  });
}

const context: Context = {
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
  signal: stop.signal,
  releaseSignals: () => {
    for (const signal of EXIT_SIGNALS) process.off(signal, onSignal);
  },
  ...readVersion(),
};

const code = await runProgram(process.argv.slice(2), context);
process.exit(code);
