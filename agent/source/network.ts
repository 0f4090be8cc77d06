// Bytes over the network interface of the default route, for E_data. systeminformation forks to know them: asked at a
// run's start and end only, never while it is sampled.

/** Bytes received and sent since boot; undefined where nobody can tell: an unknown is no 0. Never throws. */
export async function readTransferredBytes(): Promise<number | undefined> {
  try {
    const { networkStats } = await import('systeminformation');
    const [stats] = await networkStats();
    if (stats === undefined || stats.operstate === 'unknown') return undefined;
    const bytes = stats.rx_bytes + stats.tx_bytes;
    return Number.isFinite(bytes) && bytes >= 0 ? bytes : undefined;
  } catch {
    return undefined;
  }
}
