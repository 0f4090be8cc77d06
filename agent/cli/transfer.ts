// --data-path: what a run moved over the network, as the article's E_data.

import { transferKilowattHoursPerGigabyte } from '../estimate/energy.ts';
import type { Config } from '../options.ts';
import type { ReportData } from '../report/report.ts';
import { readTransferredBytes } from '../source/network.ts';
import { toUnixMilliseconds, type Instant } from '../units.ts';

const BYTES_PER_GIGABYTE = 1e9;

const METHODS = {
  wan: 'an allocation of the networks’ energy, not a marginal figure',
  cloud: 'inside a cloud',
  lan: 'local traffic is in the node’s power already',
} as const;

/** The bytes of a run, from its start on. */
export interface TransferMeter {
  /** E_data up to now; undefined where the bytes are not known. */
  read(end: Instant): Promise<ReportData | undefined>;
}

/** Begins to count; undefined where --data-path was not given. */
export function openTransferMeter(config: Config): TransferMeter | undefined {
  const { dataPath } = config;
  if (dataPath === undefined) return undefined;
  const before = readTransferredBytes();
  return {
    async read(end) {
      const [first, last] = await Promise.all([before, readTransferredBytes()]);
      // A counter that went back was reset with its interface: what was moved is not known.
      if (first === undefined || last === undefined || last < first) return undefined;
      const year = new Date(toUnixMilliseconds(end)).getUTCFullYear();
      const perGigabyte = transferKilowattHoursPerGigabyte(dataPath, year);
      const transferredBytes = last - first;
      return {
        energyKilowattHours: (transferredBytes / BYTES_PER_GIGABYTE) * perGigabyte,
        transferredBytes,
        provenance: 'derived',
        method: `${Number(perGigabyte.toPrecision(3))} kWh/GB (${dataPath}, ${year}): ${METHODS[dataPath]}; bytes of the default interface`,
      };
    },
  };
}
