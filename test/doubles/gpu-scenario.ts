// The TypeScript twin of test/doubles/libnvidia-ml/model.c: describes simulated GPUs, writes the scenario file that the
// stand-ins play (libnvidia-ml/README.md), and knows the true energy in closed form.

/** A part of the load; times in seconds since the scenario's origin, `to` Infinity for ever. */
export type Load =
  | { readonly kind: 'step'; readonly from: number; readonly to: number; readonly watts: number }
  | {
      readonly kind: 'square';
      readonly from: number;
      readonly to: number;
      readonly watts: number;
      readonly period: number;
      readonly duty: number;
    }
  | {
      readonly kind: 'sine';
      readonly from: number;
      readonly to: number;
      readonly watts: number;
      readonly period: number;
    }
  /** Rises from 0 to `watts` between `from` and `to`, then holds. */
  | { readonly kind: 'ramp'; readonly from: number; readonly to: number; readonly watts: number };

/** A register's averaging window W and refresh period T (docs/measurement.md §1). */
export interface SimulatedSensor {
  readonly window: number;
  readonly period: number;
  readonly phase?: number;
}

/** What goes wrong in [from, to); `counter-reset` happens at `from`. */
export type Fault = { readonly from: number; readonly to: number } & (
  | {
      readonly kind:
        | 'lost'
        | 'sticky-lost'
        | 'reset-required'
        | 'hang'
        | 'stuck'
        | 'stuck-power'
        | 'counter-reset'
        | 'not-loaded'
        /** Power registers answer 0xFFFFFFFF, with success. */
        | 'not-available';
    }
  | { readonly kind: 'code'; readonly code: number }
  /** The stamps of the ring are those of a wall clock that somebody set by so many seconds. */
  | { readonly kind: 'stamp-step'; readonly seconds: number }
  | { readonly kind: 'unsupported'; readonly feature: string; readonly code?: number }
);

/** One simulated GPU. */
export interface SimulatedGpu {
  readonly name?: string;
  readonly uuid?: string;
  readonly architecture?: number;
  readonly base: number;
  readonly loads?: readonly Load[];
  readonly draw?: SimulatedSensor;
  readonly instant?: SimulatedSensor;
  readonly average?: SimulatedSensor;
  readonly counter?: { readonly period: number; readonly startJoules?: number };
  /** The driver's ring of a register's refreshes; see libnvidia-ml/README.md. */
  readonly samples?: {
    readonly of: 'draw' | 'instant' | 'average';
    readonly span: number;
    readonly offset?: number;
    readonly drift?: number;
    readonly batch?: number;
    readonly from?: number;
  };
  readonly xids?: readonly { readonly at: number; readonly code: number }[];
  readonly gain?: number;
  readonly offset?: number;
  /** Seconds that each call on the device takes. */
  readonly latency?: number;
  readonly limit?: readonly [enforced: number, byDefault: number];
  /** Power of the whole module (scope 1): its GPUs and `extraWatts`. */
  readonly module?: { readonly id: number; readonly extraWatts: number };
  /** Share of the power that is memory (scope 2). */
  readonly memoryRatio?: number;
  /** At most 6. */
  readonly migInstances?: number;
  readonly persistence?: boolean;
  readonly processes?: readonly {
    readonly pid: number;
    readonly from: number;
    readonly to: number;
    readonly smPercent: number;
    readonly bytes: number;
  }[];
  readonly faults?: readonly Fault[];
}

/** A machine of simulated GPUs. */
export interface GpuScenario {
  /** CLOCK_MONOTONIC (process.hrtime) at t = 0, nanoseconds. */
  readonly originNanoseconds: bigint;
  readonly driver?: string;
  readonly gpus: readonly SimulatedGpu[];
  /** Faults of the library as a whole. */
  readonly faults?: readonly Fault[];
}

/** The UUID that the stand-in gives GPU `index` unless the scenario names one. */
export const simulatedUuid = (index: number): string =>
  `GPU-${index.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`;

/** The UUID that the stand-in gives the `instance`th MIG instance of GPU `index`. */
export const simulatedMigUuid = (index: number, instance: number): string =>
  `MIG-${index.toString(16).padStart(8, '0')}-${instance.toString(16).padStart(4, '0')}-5000-8000-000000000000`;

const faultWords = (fault: Fault): string => {
  const words = `fault ${fault.kind} ${fault.from} ${endWord(fault.to)}`;
  if (fault.kind === 'code') return `${words} ${fault.code}`;
  if (fault.kind === 'stamp-step') return `${words} ${fault.seconds}`;
  return fault.kind === 'unsupported' ? `${words} ${fault.feature} ${fault.code ?? 3}` : words;
};

const endWord = (time: number): string => (time === Infinity ? 'inf' : String(time));

const loadWords = (load: Load): string => {
  const words = `${load.kind} ${load.from} ${endWord(load.to)} ${load.watts}`;
  if (load.kind === 'square') return `${words} ${load.period} ${load.duty}`;
  return load.kind === 'sine' ? `${words} ${load.period}` : words;
};

function gpuStatements(gpu: SimulatedGpu): string[] {
  const lines = [`base ${gpu.base}`];
  if (gpu.name !== undefined) lines.push(`name ${gpu.name}`);
  if (gpu.uuid !== undefined) lines.push(`uuid ${gpu.uuid}`);
  if (gpu.architecture !== undefined) lines.push(`architecture ${gpu.architecture}`);
  for (const kind of ['draw', 'instant', 'average'] as const) {
    const sensor = gpu[kind];
    if (sensor === undefined) continue;
    lines.push(`sensor ${kind} ${sensor.window} ${sensor.period} ${sensor.phase ?? 0}`);
  }
  if (gpu.counter !== undefined) {
    lines.push(`counter ${gpu.counter.period} ${gpu.counter.startJoules ?? 0}`);
  }
  if (gpu.gain !== undefined) lines.push(`gain ${gpu.gain}`);
  if (gpu.offset !== undefined) lines.push(`offset ${gpu.offset}`);
  if (gpu.latency !== undefined) lines.push(`latency ${gpu.latency}`);
  if (gpu.limit !== undefined) lines.push(`limit ${gpu.limit[0]} ${gpu.limit[1]}`);
  if (gpu.module !== undefined) lines.push(`module ${gpu.module.id} ${gpu.module.extraWatts}`);
  if (gpu.memoryRatio !== undefined) lines.push(`memory-ratio ${gpu.memoryRatio}`);
  if (gpu.migInstances !== undefined) lines.push(`mig ${gpu.migInstances}`);
  if (gpu.persistence !== undefined) lines.push(`persistence ${gpu.persistence ? 1 : 0}`);
  if (gpu.samples !== undefined) {
    const { of, span, offset = 0, drift = 0, batch = 0, from = -Infinity } = gpu.samples;
    lines.push(
      `samples ${of} ${span} ${offset} ${drift} ${batch} ${from === -Infinity ? '-inf' : from}`,
    );
  }
  for (const { at, code } of gpu.xids ?? []) lines.push(`xid ${at} ${code}`);
  for (const process of gpu.processes ?? []) {
    const { pid, from, to, smPercent, bytes } = process;
    lines.push(`process ${pid} ${from} ${endWord(to)} ${smPercent} ${bytes}`);
  }
  lines.push(...(gpu.loads ?? []).map(loadWords), ...(gpu.faults ?? []).map(faultWords));
  return lines;
}

/** The scenario as the text that the stand-ins read. */
export function scenarioText(scenario: GpuScenario): string {
  const lines = [`origin ${scenario.originNanoseconds}`, `gpus ${scenario.gpus.length}`];
  if (scenario.driver !== undefined) lines.push(`driver ${scenario.driver}`);
  for (const fault of scenario.faults ?? []) lines.push(`library ${faultWords(fault)}`);
  scenario.gpus.forEach((gpu, index) => {
    for (const statement of gpuStatements(gpu)) lines.push(`gpu ${index} ${statement}`);
  });
  return `${lines.join('\n')}\n`;
}

const clamp = (value: number, low: number, high: number): number =>
  Math.min(Math.max(value, low), high);

function loadPower(load: Load, time: number): number {
  if (time < load.from) return 0;
  const since = time - load.from;
  if (load.kind === 'ramp') {
    return time >= load.to ? load.watts : (load.watts * since) / (load.to - load.from);
  }
  if (time >= load.to) return 0;
  switch (load.kind) {
    case 'step':
      return load.watts;
    case 'square':
      return since - Math.floor(since / load.period) * load.period < load.duty * load.period
        ? load.watts
        : 0;
    case 'sine':
      return load.watts * Math.sin((2 * Math.PI * since) / load.period);
  }
}

function loadEnergy(load: Load, time: number): number {
  const since = clamp(time, load.from, load.to) - load.from;
  switch (load.kind) {
    case 'step':
      return load.watts * since;
    case 'square': {
      const whole = Math.floor(since / load.period);
      const high = load.duty * load.period;
      return load.watts * (whole * high + Math.min(since - whole * load.period, high));
    }
    case 'sine':
      return (
        ((load.watts * load.period) / (2 * Math.PI)) *
        (1 - Math.cos((2 * Math.PI * since) / load.period))
      );
    case 'ramp': {
      const held = Math.max(0, time - load.to);
      return load.watts * ((since * since) / (2 * (load.to - load.from)) + held);
    }
  }
}

/** The true power, W. */
export const truePower = (gpu: SimulatedGpu, time: number): number =>
  (gpu.loads ?? []).reduce((sum, load) => sum + loadPower(load, time), gpu.base);

const energySinceOrigin = (gpu: SimulatedGpu, time: number): number =>
  (gpu.loads ?? []).reduce((sum, load) => sum + loadEnergy(load, time), gpu.base * time);

/** The true energy of [from, to), J: the closed form that everything measured is held against. */
export const trueEnergy = (gpu: SimulatedGpu, from: number, to: number): number =>
  energySinceOrigin(gpu, to) - energySinceOrigin(gpu, from);

const refreshBefore = (time: number, period: number, phase: number): number =>
  phase + Math.floor((time - phase) / period) * period;

const frozen = (gpu: SimulatedGpu, kind: Fault['kind'], time: number): number =>
  (gpu.faults ?? []).find((fault) => fault.kind === kind && time >= fault.from && time < fault.to)
    ?.from ?? time;

/** What a register shows at `time`, W: the newest refresh's window mean, through gain and offset. */
export function sensorWatts(
  gpu: SimulatedGpu,
  field: 'draw' | 'instant' | 'average',
  time: number,
): number {
  const sensor = gpu[field];
  if (sensor === undefined) throw new Error(`This simulated GPU has no ${field} register.`);
  const seen = frozen(gpu, 'stuck', frozen(gpu, 'stuck-power', time));
  const end = refreshBefore(seen, sensor.period, sensor.phase ?? 0);
  const mean = trueEnergy(gpu, end - sensor.window, end) / sensor.window;
  return (gpu.gain ?? 1) * mean + (gpu.offset ?? 0);
}

/** What the hardware counter shows at `time`, J. */
export function counterJoules(scenario: GpuScenario, gpu: SimulatedGpu, time: number): number {
  if (gpu.counter === undefined) throw new Error('This simulated GPU has no counter.');
  const end = refreshBefore(frozen(gpu, 'stuck', time), gpu.counter.period, 0);
  const restarts = [
    ...(gpu.faults ?? []).filter((fault) => fault.kind === 'counter-reset').map(({ from }) => from),
    ...(scenario.faults ?? []).filter((fault) => fault.kind === 'not-loaded').map(({ to }) => to),
  ].filter((restart) => restart <= time);
  const shown = (from: number): number =>
    (gpu.gain ?? 1) * trueEnergy(gpu, from, end) + (gpu.offset ?? 0) * (end - from);
  if (restarts.length === 0) return (gpu.counter.startJoules ?? 0) + shown(0);
  return Math.max(0, shown(Math.max(...restarts)));
}
