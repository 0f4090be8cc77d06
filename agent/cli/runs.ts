// `wattmeter runs`: the ledger's runs, newest last.

import { listRuns } from '../ledger/runs.ts';
import { formatRuns } from './runs-table.ts';
import { wantsJson, type CommandSpec } from './command.ts';
import { stateDirectory } from './state.ts';

export const runsCommand: CommandSpec = {
  options: ['stateDir'],
  extra: [['--json', 'as JSON']],
  examples: ['wattmeter runs'],
  async action(invocation) {
    const { config, context } = invocation;
    const directory = stateDirectory(config, context);
    const runs = await listRuns(directory);
    context.stdout.write(
      wantsJson(invocation)
        ? `${JSON.stringify(runs, null, 2)}\n`
        : runs.length === 0
          ? `No runs are stored in ${directory}. Make one: wattmeter run -- CMD\n`
          : formatRuns(runs),
    );
    return 0;
  },
};
