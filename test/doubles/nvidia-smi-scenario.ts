// One scenario for both doubles: what gpu-scenario.ts describes for libnvidia-ml, as nvidia-smi.js plays it.

import type { Fault, GpuScenario, SimulatedGpu, SimulatedSensor } from './gpu-scenario.ts';
import { simulatedUuid } from './gpu-scenario.ts';

/** The scenario for WATTMETER_DOUBLE_SCENARIO. nvidia-smi has no counter: counters and their resets are left out. */
export function nvidiaSmiScenario(scenario: GpuScenario): object {
  return {
    originNanoseconds: String(scenario.originNanoseconds),
    ...(scenario.driver !== undefined && { driverVersion: scenario.driver }),
    gpus: scenario.gpus.map(gpuOf),
    ...(scenario.gpus.every(({ instant }) => instant === undefined) && { fieldsLegacy: true }),
    faults: [
      ...(scenario.faults ?? []).flatMap((fault) => faultOf(fault, undefined)),
      ...scenario.gpus.flatMap(({ faults = [] }, gpu) =>
        faults.flatMap((fault) => faultOf(fault, gpu)),
      ),
    ],
  };
}

function gpuOf(gpu: SimulatedGpu, index: number): object {
  const sensor = (of: SimulatedSensor): object => ({
    windowSeconds: of.window,
    periodSeconds: of.period,
    phaseSeconds: of.phase ?? 0,
    gain: gpu.gain ?? 1,
    offsetWatts: gpu.offset ?? 0,
  });
  const instant = gpu.instant ?? gpu.draw;
  const average = gpu.average ?? gpu.draw;
  return {
    uuid: gpu.uuid ?? simulatedUuid(index),
    ...(gpu.name !== undefined && { name: gpu.name }),
    load: [{ kind: 'constant', watts: gpu.base }, ...(gpu.loads ?? [])],
    ...(instant !== undefined && { sensor: sensor(instant) }),
    ...(average !== undefined && { averageSensor: sensor(average) }),
    ...(gpu.limit !== undefined && {
      powerLimitWatts: gpu.limit[0],
      ratedPowerWatts: gpu.limit[1],
    }),
  };
}

function faultOf(fault: Fault, gpu: number | undefined): object[] {
  const limits = {
    fromSeconds: fault.from,
    ...(fault.to !== Infinity && { untilSeconds: fault.to }),
  };
  switch (fault.kind) {
    case 'lost':
    case 'sticky-lost':
      return [{ kind: 'lost', gpu, ...limits }];
    case 'hang':
      // A call that hangs on one GPU holds up the whole of nvidia-smi.
      return [{ kind: 'hang', ...limits }];
    case 'not-loaded':
      return [{ kind: 'exit', code: 9, ...limits }];
    case 'counter-reset':
      return [];
    case 'reset-required':
    case 'stuck':
    case 'stuck-power':
    case 'code':
    case 'unsupported':
    case 'not-available':
    case 'stamp-step':
      throw new Error(`The nvidia-smi double cannot play the fault "${fault.kind}".`);
  }
}
