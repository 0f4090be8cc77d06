// The command line in this process, with screens that remember.

import type { Context, Screen } from '../../agent/cli/context.ts';
import { runProgram } from '../../agent/cli/program.ts';

export interface Called {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Paper extends Screen {
  text(): string;
}

function paper(): Paper {
  let text = '';
  return { isTerminal: false, columns: 80, write: (more) => (text += more), text: () => text };
}

/** Calls `wattmeter ARGV…` and returns what it printed. */
export async function call(
  argv: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Called> {
  const [stdout, stderr] = [paper(), paper()];
  const context = {
    stdout,
    stderr,
    environment,
    signal: new AbortController().signal,
    version: '0.1.0',
    revision: 'abc1234',
  } as Partial<Context> as Context;
  const code = await runProgram(argv, context);
  return { code, stdout: stdout.text(), stderr: stderr.text() };
}
