// The kubelet's pod-resources service over its Unix socket: which pod has been given which devices. Only a reader.
// https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/#monitoring-device-plugin-resources

import { access, constants } from 'node:fs/promises';

import type { ServiceClientConstructor } from '@grpc/grpc-js';
import { z } from 'zod';

/** A pod and the ids of the devices that its containers were given. */
export interface PodDevices {
  readonly namespace: string;
  readonly name: string;
  readonly deviceIds: readonly string[];
}

/** Where the kubelet listens. */
export const POD_RESOURCES_SOCKET = '/var/lib/kubelet/pod-resources/kubelet.sock';

const DEADLINE_SECONDS = 5;
// A node with hundreds of pods answers with more than gRPC's usual 4 MiB.
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

// The messages of podresources/v1/api.proto, as far as they are read; unknown fields are passed over.
const PROTOCOL: Readonly<Record<string, object>> = {
  nested: {
    v1: {
      nested: {
        PodResourcesLister: {
          methods: {
            List: {
              requestType: 'ListPodResourcesRequest',
              responseType: 'ListPodResourcesResponse',
            },
          },
        },
        ListPodResourcesRequest: { fields: {} },
        ListPodResourcesResponse: {
          fields: { podResources: { rule: 'repeated', type: 'PodResources', id: 1 } },
        },
        PodResources: {
          fields: {
            name: { type: 'string', id: 1 },
            namespace: { type: 'string', id: 2 },
            containers: { rule: 'repeated', type: 'ContainerResources', id: 3 },
          },
        },
        ContainerResources: {
          fields: { devices: { rule: 'repeated', type: 'ContainerDevices', id: 2 } },
        },
        ContainerDevices: {
          fields: { deviceIds: { rule: 'repeated', type: 'string', id: 2 } },
        },
      },
    },
  },
};

const answerShape = z.object({
  podResources: z.array(
    z.object({
      name: z.string(),
      namespace: z.string(),
      containers: z.array(
        z.object({ devices: z.array(z.object({ deviceIds: z.array(z.string()) })) }),
      ),
    }),
  ),
});

/** The service's definition, for a client (and a stand-in server); loads gRPC, which only nodes of a cluster need. */
export async function podResourcesService(): Promise<ServiceClientConstructor> {
  const grpc = await import('@grpc/grpc-js');
  const loader = await import('@grpc/proto-loader');
  const definition = loader.fromJSON(PROTOCOL, { defaults: true });
  const service = definition['v1.PodResourcesLister'];
  if (service === undefined || 'format' in service) {
    throw new Error('The pod-resources protocol defines no PodResourcesLister.');
  }
  return grpc.makeClientConstructor(service, 'PodResourcesLister');
}

/**
 * Lists the pods that hold devices.
 * @throws when the socket is not there, may not be used, or does not answer in time.
 */
export async function listPodDevices(socketPath: string): Promise<PodDevices[]> {
  await access(socketPath, constants.R_OK | constants.W_OK);
  const Client = await podResourcesService();
  const grpc = await import('@grpc/grpc-js');
  const client = new Client(`unix://${socketPath}`, grpc.credentials.createInsecure(), {
    'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
  });
  try {
    const deadline = new Date(Date.now() + DEADLINE_SECONDS * 1e3);
    const answer = await new Promise<unknown>((resolve, reject) => {
      const list: unknown = client['List'];
      if (typeof list !== 'function') throw new Error('The pod-resources client has no List.');
      list.call(client, {}, { deadline }, (failure: Error | null, response: unknown) => {
        if (failure === null) resolve(response);
        else reject(failure);
      });
    });
    return answerShape.parse(answer).podResources.map(({ name, namespace, containers }) => ({
      name,
      namespace,
      deviceIds: containers.flatMap(({ devices }) => devices.flatMap(({ deviceIds }) => deviceIds)),
    }));
  } finally {
    client.close();
  }
}
