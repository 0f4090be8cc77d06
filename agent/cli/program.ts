// The command line: every command, and the one place where an error becomes a line and an exit code.

import { Command, CommanderError } from 'commander';

import { UsageError } from '../config.ts';
import { agentCommand } from './agent.ts';
import { toCommand, type CommandSpec } from './command.ts';
import type { Context } from './context.ts';
import { devicesCommand } from './devices.ts';
import { markCommand } from './mark.ts';
import { recordCommand } from './record.ts';
import { recoverCommand } from './recover.ts';
import { replayCommand } from './replay.ts';
import { reportCommand } from './report.ts';
import { runCommand } from './run.ts';
import { runsCommand } from './runs.ts';
import { startCommand } from './start.ts';

const COMMANDS: readonly CommandSpec[] = [
  runCommand,
  agentCommand,
  startCommand,
  replayCommand,
  recordCommand,
  reportCommand,
  runsCommand,
  recoverCommand,
  markCommand,
  devicesCommand,
];

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
/** `run` keeps 0–123 for CMD; its own mistakes are 125, as env(1) and docker have it. */
const EXIT_RUN_USAGE = 125;

/** Runs one command line and returns the exit code; every error has been said in one line on stderr. */
export async function runProgram(argv: readonly string[], context: Context): Promise<number> {
  let exitCode = 0;
  const program = new Command('wattmeter')
    .description(
      'The power meter of AI training: joules, money and carbon, each with its uncertainty.',
    )
    .version(context.version)
    .enablePositionalOptions()
    .showSuggestionAfterError();
  for (const spec of COMMANDS)
    program.addCommand(toCommand(spec, context, (code) => (exitCode = code)));
  quieten(program, context);
  const usageCode = argv[0] === 'run' ? EXIT_RUN_USAGE : EXIT_USAGE;
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    context.stderr.write(`wattmeter: ${messageOf(error, argv)}\n`);
    return isUsage(error) ? usageCode : EXIT_FAILURE;
  }
}

/** commander neither exits nor prints: errors come back as one line of ours. */
function quieten(command: Command, context: Context): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => context.stdout.write(text),
    writeErr: () => undefined,
  });
  for (const child of command.commands) quieten(child, context);
}

/** Errors that the user can mend: each stage's own border type, known by name so that none is loaded for it. */
const USAGE_ERRORS: ReadonlySet<string> = new Set([
  'UsageError',
  'SourceError',
  'TariffError',
  'GridError',
  'LedgerError',
  'ConfigError',
  'ListenError',
]);

const isUsage = (error: unknown): boolean =>
  error instanceof CommanderError ||
  error instanceof UsageError ||
  (error instanceof Error && USAGE_ERRORS.has(error.name));

function messageOf(error: unknown, argv: readonly string[]): string {
  if (error instanceof CommanderError) {
    const cause = error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
    const command = COMMANDS.some((spec) => spec.name === argv[0]) ? ` ${argv[0]}` : '';
    if (error.code === 'commander.help') return `no command given. See wattmeter --help.`;
    return `${cause.replace(/\.?$/, '.')} See wattmeter${command} --help.`;
  }
  if (isUsage(error)) return (error as Error).message.replaceAll(/\s*\n\s*/g, ' ');
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
