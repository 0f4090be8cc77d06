// TPUs through libtpu's metrics service (gRPC, localhost:8431): duty cycle and memory. No public interface tells a TPU's
// power: with configured idle and full-duty watts it is modelled, and called so everywhere; without, it is absent.

import { credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { z } from 'zod';

import type { Clock } from '../clock.ts';
import type { Device, Gauges } from '../model.ts';
import { type PolledReading, polledSource } from './polled.ts';
import { type Source, SourceError } from './source.ts';
import { TPU_SERVICE } from './tpu-service.ts';

/** How TPUs are read. */
export interface TpuOptions {
  readonly clock: Clock;
  readonly periodSeconds?: number;
  /** `host:port` of the metrics service. */
  readonly address?: string;
  /** Both given: power is modelled as idle + duty × (maximum − idle). */
  readonly idleWatts?: number;
  readonly maximumWatts?: number;
  /** What to call the chips; libtpu does not say. */
  readonly model?: string;
}

const PERIOD_SECONDS = 1;
const DEADLINE_SECONDS = 2;
const ADDRESS = 'localhost:8431';
const DUTY_CYCLE = 'tpu.runtime.tensorcore.dutycycle.percent';
const MEMORY_USED = 'tpu.runtime.hbm.memory.usage.bytes';
const MEMORY_TOTAL = 'tpu.runtime.hbm.memory.total.bytes';

// What the service answers, after proto-loader: 64-bit integers as numbers, absent messages as null.
const answerSchema = z.object({
  metric: z.object({
    metrics: z.array(
      z.object({
        attribute: z.object({ value: z.object({ intAttr: z.number() }).nullish() }).nullish(),
        gauge: z
          .object({ asDouble: z.number().optional(), asInt: z.number().optional() })
          .nullish(),
      }),
    ),
  }),
});

interface MetricClient {
  getRuntimeMetric(
    request: { readonly metricName: string },
    options: { readonly deadline: Date },
    done: (error: ServiceError | null, answer: unknown) => void,
  ): void;
  close(): void;
}

type ClientConstructor = new (
  address: string,
  channelCredentials: ReturnType<typeof credentials.createInsecure>,
) => MetricClient;

function connect(address: string): MetricClient {
  const definition = fromJSON(TPU_SERVICE, { longs: Number, keepCase: false, oneofs: true });
  let found: unknown = loadPackageDefinition(definition);
  for (const name of ['tpu', 'monitoring', 'runtime', 'RuntimeMetricService']) {
    found = (found as Readonly<Record<string, unknown>>)[name];
  }
  // A service made from the descriptor above: its constructor is a grpc-js client's.
  return new (found as ClientConstructor)(address, credentials.createInsecure());
}

/** A metric's value per device. */
function ask(client: MetricClient, metricName: string): Promise<Map<number, number>> {
  return new Promise((resolve, reject) => {
    // The deadline is libtpu's wall clock's business, not the timeline's.
    const deadline = new Date(Date.now() + DEADLINE_SECONDS * 1e3);
    client.getRuntimeMetric({ metricName }, { deadline }, (error, answer) => {
      if (error !== null) {
        reject(error);
        return;
      }
      const parsed = answerSchema.safeParse(answer);
      if (!parsed.success) {
        reject(new Error(`libtpu answered ${metricName} in another shape than its service says.`));
        return;
      }
      const values = new Map<number, number>();
      parsed.data.metric.metrics.forEach(({ attribute, gauge }, position) => {
        const value = gauge?.asDouble ?? gauge?.asInt;
        if (value !== undefined) values.set(attribute?.value?.intAttr ?? position, value);
      });
      resolve(values);
    });
  });
}

function deviceOf(id: number, options: TpuOptions): Device {
  return {
    uuid: `TPU-${id}`,
    index: id,
    kind: 'gpu',
    model: options.model ?? 'TPU',
    source: 'tpu',
    powerOrigin: 'modelled',
  };
}

function readingOf(
  id: number,
  dutyPercent: number | undefined,
  gauges: Gauges,
  { idleWatts, maximumWatts }: TpuOptions,
): PolledReading {
  const uuid = `TPU-${id}`;
  if (dutyPercent === undefined) return { uuid, status: 'no-data' };
  if (idleWatts === undefined || maximumWatts === undefined) {
    // Nothing to meter, but its utilisation is worth showing: a failed reading carries gauges.
    return { uuid, status: 'not-supported', gauges };
  }
  const draw = idleWatts + (dutyPercent / 100) * (maximumWatts - idleWatts);
  return { uuid, status: 'ok', powerWatts: { draw }, gauges };
}

async function readAll(client: MetricClient, options: TpuOptions): Promise<PolledReading[]> {
  const none = new Map<number, number>();
  const [duty, used, total] = await Promise.all([
    ask(client, DUTY_CYCLE),
    ask(client, MEMORY_USED).catch(() => none),
    ask(client, MEMORY_TOTAL).catch(() => none),
  ]);
  return [...duty].map(([id, percent]) => {
    const memoryUsedBytes = used.get(id);
    const memoryTotalBytes = total.get(id);
    const gauges: Gauges = {
      utilizationRatio: percent / 100,
      ...(memoryUsedBytes === undefined ? {} : { memoryUsedBytes }),
      ...(memoryTotalBytes === undefined ? {} : { memoryTotalBytes }),
    };
    return readingOf(id, percent, gauges, options);
  });
}

const isModelled = ({ idleWatts, maximumWatts }: TpuOptions): boolean =>
  idleWatts !== undefined && maximumWatts !== undefined;

function unreachable(address: string, cause: unknown): SourceError {
  const message = `Cannot reach libtpu's metrics at ${address}: ${cause instanceof Error ? cause.message : String(cause)}. Is a program using the TPU (the service runs inside it), and is its port published?`;
  return new SourceError(message, { fate: 'retry', reason: 'unreachable', cause });
}

/** The TPU source. Its `events` throws `retry`, reason `unreachable`, while no program uses the TPU. */
export function tpuSource(options: TpuOptions): Source {
  const address = options.address ?? ADDRESS;
  let client: MetricClient | undefined;
  let known: readonly number[] = [];
  return polledSource(
    {
      kind: 'tpu',
      periodSeconds: options.periodSeconds ?? PERIOD_SECONDS,
      async open() {
        client = connect(address);
        try {
          known = [...(await ask(client, DUTY_CYCLE)).keys()].toSorted((a, b) => a - b);
        } catch (error) {
          throw unreachable(address, error);
        }
        const message =
          "No interface tells a TPU's power. Give --tpu-idle-watts and --tpu-max-watts to have it modelled from duty cycle; without them its energy is absent.";
        return {
          devices: known.map((id) => deviceOf(id, options)),
          warnings: isModelled(options) ? [] : [{ code: 'tpu-power-unknown', message }],
        };
      },
      async read() {
        if (client === undefined) return [];
        const readings = await readAll(client, options);
        const here = new Set(readings.map(({ uuid }) => uuid));
        const gone = known.filter((id) => !here.has(`TPU-${id}`));
        return [...readings, ...gone.map((id) => readingOf(id, undefined, {}, options))];
      },
      close() {
        client?.close();
        return Promise.resolve();
      },
    },
    options.clock,
  );
}
