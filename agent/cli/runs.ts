// `wattmeter runs`: the ledger's runs, newest last.

import { listRuns } from '../ledger/runs.ts';
import { formatRuns } from './runs-table.ts';
import type { CommandSpec } from './command.ts';
import { stateDirectory } from './state.ts';

export const runsCommand: CommandSpec = {
  options: ['stateDir'],
  extra: [['--json', 'as JSON']],
  examples: ['wattmeter runs'],
  async action({ config, extra, context }) {
    const directory = stateDirectory(config, context);
    const runs = await listRuns(directory);
    context.stdout.write(
      extra['json'] === true
        ? `${JSON.stringify(runs, null, 2)}\n`
        : runs.length === 0
          ? `No runs are stored in ${directory}. Make one: wattmeter run -- CMD\n`
          : formatRuns(runs),
    );
    return 0;
  },
};
