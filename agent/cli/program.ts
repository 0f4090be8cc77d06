// The command line: every command, and the one place where an error becomes a line and an exit code.

import { Command, CommanderError } from 'commander';

import { toCommand, type CommandSpec } from './command.ts';
import type { Context } from './context.ts';
import { isUserError, traceOf } from './errors.ts';

/** A command before it is loaded: only the one that was called is. */
interface CommandEntry {
  readonly summary: string;
  load(): Promise<CommandSpec>;
}

const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  run: {
    summary: 'measure while a command runs; the bill at its end',
    load: async () => (await import('./run.ts')).runCommand,
  },
  agent: {
    summary: 'the daemon: sample for ever, keep the ledger, serve metrics and dashboard',
    load: async () => (await import('./agent.ts')).agentCommand,
  },
  start: {
    summary: 'the agent with a bill at Ctrl-C; replays a bundled trace where there is no GPU',
    load: async () => (await import('./start.ts')).startCommand,
  },
  replay: {
    summary: 'put a recorded trace through the same pipeline',
    load: async () => (await import('./replay.ts')).replayCommand,
  },
  record: {
    summary: 'write what the sources say as a trace that replay reads back',
    load: async () => (await import('./record.ts')).recordCommand,
  },
  report: {
    summary: 'the report of a stored run, a trace, a log or a report file, re-priced at will',
    load: async () => (await import('./report.ts')).reportCommand,
  },
  runs: {
    summary: 'list the stored runs',
    load: async () => (await import('./runs.ts')).runsCommand,
  },
  recover: {
    summary: 'close the books of runs whose Wattmeter died',
    load: async () => (await import('./recover.ts')).recoverCommand,
  },
  mark: {
    summary: 'open or close a window from inside the job',
    load: async () => (await import('./mark.ts')).markCommand,
  },
  estimate: {
    summary: 'plan a training: cost, energy, data, carbon, levers',
    load: async () => (await import('./estimate.ts')).estimateCommand,
  },
  compare: {
    summary: 'runs side by side; exit 1 past a limit',
    load: async () => (await import('./compare.ts')).compareCommand,
  },
  devices: {
    summary: 'what would be measured, by which source and sensor',
    load: async () => (await import('./devices.ts')).devicesCommand,
  },
  top: {
    summary: 'the GPUs live on the whole screen',
    load: async () => (await import('./top.ts')).topCommand,
  },
  doctor: {
    summary: 'what is wrong here and the mend; calibrates a GPU against a meter',
    load: async () => (await import('./doctor.ts')).doctorCommand,
  },
};

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;
/** `run` keeps 0–123 for CMD; its own mistakes are 125, as env(1) and docker have it. */
const EXIT_RUN_USAGE = 125;

/** Runs one command line and returns the exit code; every error has been said in one line on stderr. */
export async function runProgram(words: readonly string[], context: Context): Promise<number> {
  let exitCode = 0;
  // `help run` is `run --help`: only a command that is called is loaded, and has options to show.
  const [first, asked = ''] = words;
  const argv = first === 'help' && asked in COMMANDS ? [asked, '--help'] : words;
  const program = new Command('wattmeter')
    .description(
      'The power meter of AI training: joules, money and carbon, each with its uncertainty.',
    )
    .version(context.version)
    .enablePositionalOptions()
    .showSuggestionAfterError();
  const called = argv[0] ?? '';
  const usageCode = called === 'run' ? EXIT_RUN_USAGE : EXIT_USAGE;
  try {
    for (const [name, entry] of Object.entries(COMMANDS)) {
      const done = (code: number): void => {
        exitCode = code;
      };
      // Only the command that was called is loaded: the others' libraries cost a wrapped command its time.
      const command =
        name === called
          ? toCommand({ name, summary: entry.summary, spec: await entry.load() }, context, done)
          : new Command(name).description(entry.summary);
      program.addCommand(command);
    }
    quieten(program, context);
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    context.stderr.write(`wattmeter: ${lineOf(error, argv)}\n`);
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

const isUsage = (error: unknown): error is Error =>
  error instanceof CommanderError || isUserError(error);

function lineOf(error: unknown, argv: readonly string[]): string {
  if (error instanceof CommanderError) {
    const cause = error.message.replace(/^error: /, '').replaceAll(/\s*\n\s*/g, ' ');
    const command = (argv[0] ?? '') in COMMANDS ? ` ${argv[0]}` : '';
    if (error.code === 'commander.help') return `no command given. See wattmeter --help.`;
    return `${cause.replace(/\.?$/, '.')} See wattmeter${command} --help.`;
  }
  return isUserError(error) ? error.message.replaceAll(/\s*\n\s*/g, ' ') : traceOf(error);
}
