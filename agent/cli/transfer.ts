// What a run moved over the network and its disks, counted where --data-path asks for it.

import { present } from '../report/present.ts';
import { readTraffic, type Traffic } from '../source/traffic.ts';

/** The bytes of a run, from its start on. */
export interface TransferMeter {
  /** What was moved up to now; a counter that went back was reset, and says nothing. */
  read(): Promise<Traffic>;
}

/** Begins to count. */
export function openTransferMeter(): TransferMeter {
  const before = readTraffic();
  return {
    async read() {
      const [first, last] = await Promise.all([before, readTraffic()]);
      const moved = (key: keyof Traffic): number | undefined => {
        const [from, to] = [first[key], last[key]];
        return from === undefined || to === undefined || to < from ? undefined : to - from;
      };
      return present({
        networkBytes: moved('networkBytes'),
        diskReadBytes: moved('diskReadBytes'),
        diskWrittenBytes: moved('diskWrittenBytes'),
      });
    },
  };
}
