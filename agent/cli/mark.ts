// `wattmeter mark NAME`: opens and closes a window from inside the job.

import { UsageError } from '../config.ts';
import { markClient, SOCKET_VARIABLE } from '../run/socket.ts';
import type { CommandSpec } from './command.ts';
import { messageOf } from './errors.ts';

export const markCommand: CommandSpec = {
  arguments: [
    [
      '<name>',
      'name of the window; without --begin and --end it ends now, and began at the last such mark of that name, or with the run',
    ],
  ],
  options: [],
  extra: [
    ['--begin', 'the window begins now'],
    ['--end', 'the window ends now'],
    ['--steps <n>', 'steps made in it'],
    ['--tokens <n>', 'tokens processed in it'],
  ],
  examples: ['wattmeter mark epoch-1 --begin', 'wattmeter mark epoch-1 --end --steps 500'],
  async action({ operands, extra, context }) {
    if (extra['begin'] === true && extra['end'] === true)
      throw new UsageError(
        '--begin and --end exclude each other: a mark opens a window or closes it. Leave one out.',
      );
    const steps = countOf('steps', extra['steps']);
    const tokens = countOf('tokens', extra['tokens']);
    const socket = context.environment[SOCKET_VARIABLE];
    if (socket === undefined || socket === '') {
      throw new UsageError(
        `${SOCKET_VARIABLE} is not set: no run to mark. Call this from a command that wattmeter run started.`,
      );
    }
    try {
      await markClient(socket, {
        name: operands[0] ?? '',
        phase: extra['begin'] === true ? 'begin' : extra['end'] === true ? 'end' : 'instant',
        ...(steps === undefined ? {} : { steps }),
        ...(tokens === undefined ? {} : { tokens }),
      });
    } catch (error) {
      throw new UsageError(messageOf(error));
    }
    return 0;
  },
};

function countOf(name: string, text: string | boolean | undefined): number | undefined {
  if (text === undefined) return undefined;
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= 0) return count;
  throw new UsageError(
    `--${name} must be a whole number of 0 or more, not ${JSON.stringify(text)}.`,
  );
}
