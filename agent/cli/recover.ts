// `wattmeter recover`: closes the books of runs whose Wattmeter died.

import { recoverRuns } from '../ledger/recover.ts';
import { formatRuns } from './runs-table.ts';
import type { CommandSpec } from './command.ts';
import { stateDirectory } from './state.ts';

const EXIT_FAILED = 1;

export const recoverCommand: CommandSpec = {
  options: ['stateDir'],
  examples: ['wattmeter recover'],
  async action({ config, context }) {
    const recoveries = await recoverRuns(stateDirectory(config, context));
    const recovered = recoveries.flatMap((one) => (one.kind === 'recovered' ? [one.summary] : []));
    if (recovered.length > 0) context.stdout.write(formatRuns(recovered));
    const count = recovered.length;
    context.stdout.write(`${count} ${count === 1 ? 'run' : 'runs'} recovered.\n`);
    const failures = recoveries.filter((one) => one.kind === 'failed');
    for (const failure of failures) context.stderr.write(`wattmeter: ${failure.message}\n`);
    return failures.length > 0 ? EXIT_FAILED : 0;
  },
};
