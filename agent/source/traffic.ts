// Bytes over the network interface of the default route and of the mounted disks, for E_data. systeminformation forks to
// know them: asked at a run's start and end only, never while it is sampled.

/** Bytes since boot; what nobody can tell is absent: an unknown is no 0. */
export interface Traffic {
  /** Received and sent. */
  readonly networkBytes?: number;
  readonly diskReadBytes?: number;
  readonly diskWrittenBytes?: number;
}

/** Asks once. Never throws. */
export async function readTraffic(): Promise<Traffic> {
  const [network, disks] = await Promise.all([readNetwork(), readDisks()]);
  return { ...network, ...disks };
}

async function readNetwork(): Promise<Pick<Traffic, 'networkBytes'>> {
  try {
    const { networkStats } = await import('systeminformation');
    const [stats] = await networkStats();
    if (stats === undefined || stats.operstate === 'unknown') return {};
    const networkBytes = stats.rx_bytes + stats.tx_bytes;
    return isCount(networkBytes) ? { networkBytes } : {};
  } catch {
    return {};
  }
}

async function readDisks(): Promise<Pick<Traffic, 'diskReadBytes' | 'diskWrittenBytes'>> {
  try {
    const { fsStats } = await import('systeminformation');
    const stats: { readonly rx: number; readonly wx: number } | null = await fsStats();
    // Where it finds no disk it says 0; a machine that has booted from one has read from it.
    if (stats === null || !isCount(stats.rx) || !isCount(stats.wx) || stats.rx === 0) return {};
    return { diskReadBytes: stats.rx, diskWrittenBytes: stats.wx };
  } catch {
    return {};
  }
}

const isCount = (bytes: number): boolean => Number.isFinite(bytes) && bytes >= 0;
