// Names of pods. The control group knows a pod's uid, the kubelet's list its name and devices but not its uid: the two
// are joined by the GPUs that both name, and only where that leaves one answer.

import type { Instant } from '../units.ts';
import { listPodDevices, POD_RESOURCES_SOCKET, type PodDevices } from './pod-resources.ts';

/** What asking the kubelet came to. */
export type PodListing =
  | { readonly kind: 'listed'; readonly podCount: number }
  | { readonly kind: 'absent'; readonly message: string };

/** Pods by uid. */
export interface PodNames {
  /** A process of the pod is on this GPU; `hostname` is the pod's own idea of its name, where it can be read. */
  see(uid: string, uuid: string, time: Instant, hostname?: string): void;
  /** `namespace/name`; undefined while it is not certain. */
  nameOf(uid: string): string | undefined;
  /** Asks the kubelet; `time` is that of the question. Never rejects. */
  refresh(time: Instant): Promise<PodListing>;
}

/** Who answers. */
export interface PodNamesOptions {
  readonly socketPath?: string;
  readonly list?: (socketPath: string) => Promise<readonly PodDevices[]>;
}

interface Pod {
  readonly firstSeconds: Instant;
  seenSeconds: Instant;
  readonly uuids: Set<string>;
  hostname: string | undefined;
  name: string | undefined;
}

const FORGET_SECONDS = 7200;

/** Creates the names; nobody is asked until the first refresh. */
export function createPodNames(options: PodNamesOptions = {}): PodNames {
  const socketPath = options.socketPath ?? POD_RESOURCES_SOCKET;
  const list = options.list ?? listPodDevices;
  const pods = new Map<string, Pod>();

  const nameAll = (listed: readonly PodDevices[], time: Instant): void => {
    for (const [uid, pod] of pods) {
      if (time - pod.seenSeconds > FORGET_SECONDS) pods.delete(uid);
      // An older list may still name the pod that had this GPU before.
      else if (pod.firstSeconds <= time) pod.name ??= nameIn(listed, pod);
    }
  };

  return {
    see(uid, uuid, time, hostname) {
      const known = pods.get(uid);
      if (known === undefined) {
        const fresh = { firstSeconds: time, seenSeconds: time, name: undefined };
        pods.set(uid, { ...fresh, uuids: new Set([uuid]), hostname });
        return;
      }
      known.seenSeconds = time;
      known.uuids.add(uuid);
      known.hostname ??= hostname;
    },
    nameOf: (uid) => pods.get(uid)?.name,
    async refresh(time) {
      try {
        const listed = await list(socketPath);
        nameAll(listed, time);
        return { kind: 'listed', podCount: listed.length };
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        return {
          kind: 'absent',
          message: `Pods are known by uid alone: cannot ask the kubelet at ${socketPath}: ${why}. Is it mounted, and are you root?`,
        };
      }
    },
  };
}

function nameIn(listed: readonly PodDevices[], pod: Pod): string | undefined {
  const holders = listed.filter(({ deviceIds }) => {
    const gpus = new Set(deviceIds.map(gpuOf));
    return [...pod.uuids].every((uuid) => gpus.has(uuid)) || gpus.has('MIG');
  });
  const namesakes = holders.filter(({ name }) => name === pod.hostname);
  const [only, another] = namesakes.length > 0 ? namesakes : holders;
  // Which GPU an instance is of, the list does not say: then the GPU alone proves nothing.
  const isProven = namesakes.length > 0 || only?.deviceIds.every((id) => gpuOf(id) !== 'MIG');
  if (only === undefined || another !== undefined || isProven !== true) return undefined;
  return `${only.namespace}/${only.name}`;
}

/** A device plugin's id without its replica (`GPU-…::3`); `MIG` where it names an instance by itself. */
function gpuOf(deviceId: string): string {
  const id = deviceId.split('::')[0] ?? deviceId;
  return /^MIG-(GPU-[^/]+)/.exec(id)?.[1] ?? (id.startsWith('MIG-') ? 'MIG' : id);
}
