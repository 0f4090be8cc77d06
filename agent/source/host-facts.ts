// The machine around the GPUs, for reports: read once through systeminformation, whose graphics() is never called
// because it blocks on nvidia-smi.

import { arch, hostname, totalmem } from 'node:os';

/** Facts of the host; absent means unknown. */
export interface HostFacts {
  readonly hostName: string;
  readonly operatingSystem?: string;
  readonly kernel?: string;
  readonly architecture: string;
  readonly cpuModel?: string;
  readonly cpuCores?: number;
  readonly memoryTotalBytes: number;
  readonly machine?: string;
}

const known = (text: string): string | undefined =>
  text.trim() === '' ||
  text.trim() === '-' ||
  /^(?:default string|not specified)$/i.test(text.trim())
    ? undefined
    : text.trim();

/** What this machine is. Never throws: what cannot be read is absent. */
export async function readHostFacts(): Promise<HostFacts> {
  const { cpu, osInfo, system } = await import('systeminformation');
  const [os, processor, maker] = await Promise.all([
    osInfo().catch(() => undefined),
    cpu().catch(() => undefined),
    system().catch(() => undefined),
  ]);
  const operatingSystem = os && known(`${os.distro} ${os.release}`);
  const kernel = os && known(os.kernel);
  const cpuModel = processor && known(`${processor.manufacturer} ${processor.brand}`);
  const machine = maker && known(`${known(maker.manufacturer) ?? ''} ${known(maker.model) ?? ''}`);
  return {
    hostName: hostname(),
    architecture: arch(),
    memoryTotalBytes: totalmem(),
    ...(operatingSystem !== undefined && { operatingSystem }),
    ...(kernel !== undefined && { kernel }),
    ...(cpuModel !== undefined && { cpuModel }),
    ...(processor !== undefined && processor.cores > 0 && { cpuCores: processor.cores }),
    ...(machine !== undefined && { machine }),
  };
}
