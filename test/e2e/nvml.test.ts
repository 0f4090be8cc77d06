// The whole program over libraries and drivers as they come: whatever a libnvidia-ml.so.1 lacks and whatever fails in
// it, the joules are right, the reasons are, and nothing crashes. Everything here is simulated.

import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';

import { describe, expect, test, vi, type TestContext } from 'vitest';

import type { Finding } from '../../agent/insight/doctor.ts';
import type { Report } from '../../agent/report/report.ts';
import { parseReport } from '../../agent/report/schema.ts';
import {
  simulatedMigUuid,
  simulatedUuid,
  type Fault,
  type GpuScenario,
  type SimulatedGpu,
} from '../doubles/gpu-scenario.ts';
import {
  buildStandIn,
  SCENARIO_VARIABLE,
  writeScenario,
  type Build,
} from '../doubles/libnvidia-ml.ts';
import { ask } from '../exporter/client.ts';
import { scrapeCounters } from './scrape.ts';
import { NO_GPU, workplaces } from './wattmeter.ts';

const open = workplaces();

/** 300 W and 400 W, W/T 25/100 ms, a counter that steps every 20 ms. */
const board: SimulatedGpu = {
  name: 'NVIDIA A100-SXM4-80GB',
  base: 300,
  draw: { window: 0.025, period: 0.1 },
  instant: { window: 0.025, period: 0.1 },
  counter: { period: 0.02, startJoules: 12_345 },
};
const other: SimulatedGpu = { ...board, base: 400 };
const forEver = { from: -100, to: Infinity } as const;
const without = (...features: string[]): Fault[] =>
  features.map((feature) => ({ kind: 'unsupported', feature, ...forEver }));

interface Machine {
  readonly library: string;
  readonly scenario: GpuScenario;
}

const machineOf = (
  context: TestContext,
  gpus: readonly SimulatedGpu[],
  { build = {}, faults = [] }: { readonly build?: Build; readonly faults?: readonly Fault[] } = {},
): Machine => ({
  library: buildStandIn(context, build),
  scenario: { originNanoseconds: process.hrtime.bigint(), gpus, faults },
});

const environmentOf = ({ library, scenario }: Machine): NodeJS.ProcessEnv => ({
  LD_LIBRARY_PATH: dirname(library),
  [SCENARIO_VARIABLE]: writeScenario(scenario),
  WATTMETER_SOURCE: 'nvml',
});

/** The report of a job of so many seconds on the machine. */
async function reportOf(
  machine: Machine,
  seconds: number,
  env: NodeJS.ProcessEnv = {},
): Promise<Report> {
  const place = open();
  const file = place.path('report.json');
  const ended = await place.run(
    ['run', '--quiet', '--report-json', file, '--', 'sleep', String(seconds)],
    { env: { ...environmentOf(machine), ...env } },
  );
  expect(ended.code, ended.stderr).toBe(0);
  expect(ended.stderr).not.toMatch(/measuring failed|at .*\.js:\d/);
  return parseReport(readFileSync(file, 'utf8'), file);
}

/** A bill of known constant powers: right over the time that it says it observed, whatever part that is. */
function expectRight(report: Report, watts: readonly number[]): void {
  expect(report.devices).toHaveLength(watts.length);
  report.devices.forEach((device, index) => {
    const { energyJoules = 0, uncertaintyJoules = 0, coverageRatio, gapSeconds } = device;
    const { durationSeconds } = report.run;
    const observed = coverageRatio * durationSeconds;
    expect(observed + gapSeconds).toBeCloseTo(durationSeconds, 3);
    const truth = (watts[index] ?? 0) * observed;
    // Where a counter's steps stand between two polls is a guess of some tens of milliseconds.
    expect(Math.abs(energyJoules - truth)).toBeLessThanOrEqual(0.1 * (watts[index] ?? 0));
    expect(Math.abs(energyJoules - truth)).toBeLessThanOrEqual(uncertaintyJoules);
  });
}

const methodsOf = ({ devices }: Report): readonly unknown[] => devices.map(({ method }) => method);
const everything = [
  'nvmlDeviceGetFieldValues',
  'nvmlDeviceGetTotalEnergyConsumption',
  'nvmlDeviceGetPowerUsage',
];
const except = (...names: string[]): string[] => everything.filter((name) => !names.includes(name));

describe.concurrent('a library', () => {
  test.for([
    {
      name: 'with the names of old alone',
      build: {
        without: [
          'nvmlInit_v2',
          'nvmlDeviceGetCount_v2',
          'nvmlDeviceGetHandleByIndex_v2',
          'nvmlDeviceGetPciInfo_v2',
          'nvmlDeviceGetPciInfo_v3',
          'nvmlDeviceGetComputeRunningProcesses_v2',
          'nvmlDeviceGetComputeRunningProcesses_v3',
          'nvmlDeviceGetMemoryInfo_v2',
          'nvmlEventSetWait_v2',
          'nvmlDeviceGetTemperatureV',
          ...except('nvmlDeviceGetTotalEnergyConsumption', 'nvmlDeviceGetPowerUsage'),
        ],
      },
      method: 'counter',
    },
    {
      name: 'that gives power by one call and nothing else',
      build: { without: except('nvmlDeviceGetPowerUsage') },
      method: 'integral',
    },
    {
      name: 'that gives power and energy by fields alone',
      build: { without: except('nvmlDeviceGetFieldValues') },
      method: 'counter',
    },
    {
      name: 'that gives energy and no power',
      build: { without: except('nvmlDeviceGetTotalEnergyConsumption') },
      method: 'counter',
    },
    {
      name: 'that lacks nearly all: identity, shutdown, slow values',
      build: {
        without: [
          'nvmlShutdown',
          'nvmlSystemGetDriverVersion',
          'nvmlDeviceGetUUID',
          'nvmlDeviceGetName',
          'nvmlDeviceGetPciInfo',
          'nvmlDeviceGetPciInfo_v2',
          'nvmlDeviceGetPciInfo_v3',
          'nvmlDeviceGetArchitecture',
          'nvmlDeviceGetPersistenceMode',
          'nvmlDeviceGetMemoryInfo',
          'nvmlDeviceGetMigMode',
          'nvmlDeviceGetEnforcedPowerLimit',
          'nvmlDeviceGetUtilizationRates',
          'nvmlDeviceGetClockInfo',
          'nvmlDeviceGetTemperature',
          'nvmlEventSetCreate',
          'nvmlDeviceGetSamples',
        ],
      },
      method: 'counter',
    },
  ] satisfies { name: string; build: Build; method: string }[])(
    '$name measures right',
    async ({ build, method }, context) => {
      const report = await reportOf(machineOf(context, [board, other], { build }), 2.5);
      expectRight(report, [300, 400]);
      expect(methodsOf(report)).toEqual([method, method]);
    },
  );

  test('that somebody else wrote, with the least there is, measures right', async (context) => {
    const machine = machineOf(context, [], { build: { isMinimal: true } });
    const report = await reportOf(machine, 2.5);
    expectRight(report, [100, 200]);
    expect(methodsOf(report)).toEqual(['counter', 'counter']);
    expect(report.devices.map(({ uuid }) => uuid)).toEqual(['PCI-index-0', 'PCI-index-1']);
  });

  test('whose GPUs have no name worth it measures right, each GPU for itself', async (context) => {
    const odd = { uuid: 'not, "a" UUID', name: ' Ünusual, "quoted" name ' };
    const gpus = [
      { ...board, ...odd },
      { ...other, ...odd },
    ];
    const report = await reportOf(machineOf(context, gpus), 2.5);
    expectRight(report, [300, 400]);
    expect(report.devices.map(({ uuid }) => uuid)).toEqual([odd.uuid, 'PCI-00000000:02:00.0']);
  });

  test('whose power is "not available" measures by the counter, and without one is a gap', async (context) => {
    const faults: Fault[] = [{ kind: 'not-available', ...forEver }];
    const gpus = [
      { ...board, faults },
      { ...other, faults: [...faults, ...without('counter')] },
    ];
    const report = await reportOf(machineOf(context, gpus), 2.5);
    expectRight(report, [300, 400]);
    const [counted, blind] = report.devices;
    expect(counted?.coverageRatio).toBe(1);
    expect(blind?.energyJoules).toBeUndefined();
    expect(Object.keys(blind?.gapSecondsByReason ?? {})).toEqual(['no-data']);
  });

  test('of 64 GPUs, each call a tenth of a millisecond, measures each', async (context) => {
    const gpus = Array.from({ length: 64 }, (_, index) => ({
      ...board,
      base: 100 + index,
      latency: 0.0001,
    }));
    const report = await reportOf(machineOf(context, gpus), 4);
    expectRight(
      report,
      gpus.map(({ base }) => base),
    );
    expect(report.energy.coverageRatio).toBe(1);
  });
});

describe.concurrent('a driver', () => {
  // Within a job of 5 s that begins somewhere in the first two.
  const meanwhile = { from: 3, to: 4.5 } as const;

  test.for([
    { name: 'that loses a GPU, which comes back', fault: { kind: 'lost' }, reason: 'gpu-lost' },
    { name: 'that wants a reset', fault: { kind: 'reset-required' }, reason: 'reset-required' },
    { name: 'with [Unknown Error]', fault: { kind: 'code', code: 999 }, reason: 'unknown-error' },
  ] as const)(
    '$name: a gap by its name, which the counter bridges where there is one',
    async ({ fault, reason }, context) => {
      const faults: Fault[] = [{ ...fault, ...meanwhile }];
      const gpus = [
        { ...board, faults },
        { ...other, faults: [...faults, ...without('counter')] },
        board,
      ];
      const report = await reportOf(machineOf(context, gpus), 5);
      expectRight(report, [300, 400, 300]);
      const [bridged, gap, sound] = report.devices;
      expect([bridged?.coverageRatio, sound?.coverageRatio]).toEqual([1, 1]);
      expect(bridged?.energyJoules).toBeGreaterThan(300 * 4.9);
      expect(Object.keys(gap?.gapSecondsByReason ?? {})).toEqual([reason]);
      expect(gap?.gapSeconds).toBeGreaterThan(1.2);
      expect(gap?.gapSeconds).toBeLessThan(3);
      expect(Math.abs((gap?.gapEstimateJoules ?? 0) / (gap?.gapSeconds ?? 1) - 400)).toBeLessThan(
        1,
      );
      expect(sound?.gapSecondsByReason).toEqual({});
    },
  );

  test('that hangs to the end of the job and beyond: the others wait with it, and nobody else', async (context) => {
    const gpus = [board, { ...other, faults: [{ kind: 'hang', from: 3, to: 33 } as const] }];
    const place = open();
    const file = place.path('report.json');
    const job = ['sh', '-c', 'sleep 5; date +%s%N >&2; exit 9'];
    const ended = await place.run(['run', '--quiet', '--report-json', file, '--', ...job], {
      env: environmentOf(machineOf(context, gpus)),
    });
    const leftAt = Date.now();
    expect(ended.code, ended.stderr).toBe(9);
    // Promised is one second; this machine may be busy with something else.
    expect(leftAt - Number(/^\d{19}$/m.exec(ended.stderr)?.[0]) / 1e6).toBeLessThan(3000);
    const report = parseReport(readFileSync(file, 'utf8'), file);
    expectRight(report, [300, 400]);
    for (const { gapSecondsByReason, gapSeconds } of report.devices) {
      expect(Object.keys(gapSecondsByReason)).toEqual(['timeout']);
      expect(gapSeconds).toBeGreaterThan(1.5);
    }
  });

  test('that hangs under an agent: scrapes are answered and say so, and SIGTERM ends it with 0', async (context) => {
    const gpus = [board, { ...other, faults: [{ kind: 'hang', from: 3, to: Infinity } as const] }];
    const place = open();
    await using agent = place.start(['agent', '--web.listen-address', '127.0.0.1:0'], {
      env: environmentOf(machineOf(context, gpus)),
    });
    const [, url = ''] = await agent.says(/serving (http:\S+)/);
    await vi.waitFor(
      async () => {
        const asked = performance.now();
        const { text } = await ask(`${url.replace(/\/$/, '')}/metrics`);
        expect(performance.now() - asked).toBeLessThan(2000);
        expect(text).toMatch(/^wattmeter_source_up\{source="nvml"\} 0$/m);
        expect(text).toMatch(
          /^wattmeter_source_errors_total\{source="nvml",reason="timeout"\} 1$/m,
        );
        for (const uuid of [0, 1].map(simulatedUuid)) {
          const gap = new RegExp(`gap_seconds_total\\{.*${uuid}",reason="timeout"\\} [1-9]`);
          expect(text).toMatch(gap);
          expect(text).not.toMatch(new RegExp(`gpu_power_watts\\{.*${uuid}`));
        }
      },
      { timeout: 30_000, interval: 300 },
    );
    expect(agent.stderr).toMatch(/nvmlDevice\w+ of GPU-\S+ has not answered for/);
    agent.kill('SIGTERM');
    const asked = Date.now();
    expect((await agent.ended).code).toBe(0);
    expect(Date.now() - asked).toBeLessThan(5000);
  });

  test('that is loaded anew in the middle: its counters begin again, and no joule is made of that', async (context) => {
    const faults: Fault[] = [{ kind: 'not-loaded', from: 3, to: 3.5 }];
    const report = await reportOf(machineOf(context, [board, other], { faults }), 6);
    expectRight(report, [300, 400]);
    for (const { gapSecondsByReason, warnings } of report.devices) {
      expect(Object.keys(gapSecondsByReason)).toEqual(['driver-not-loaded']);
      expect(warnings.map(({ code }) => code)).toContain('counter-restarted');
    }
  });

  test('whose values stand still is integrated from what still moves', async (context) => {
    const stuck: SimulatedGpu = { ...board, faults: [{ kind: 'stuck', from: 3, to: Infinity }] };
    const report = await reportOf(machineOf(context, [stuck]), 6);
    expectRight(report, [300]);
    expect(report.devices[0]?.warnings.map(({ code }) => code)).toContain('counter-stuck');
  });

  test('that has one GPU [N/A] for ever, and modules of four: what is not known is no 0, and no module is a GPU', async (context) => {
    const module = { id: 0, extraWatts: 500 };
    const gpus = [
      { ...board, module },
      { ...other, module },
      { ...board, faults: without('draw', 'instant', 'counter') },
    ];
    const report = await reportOf(machineOf(context, gpus), 3);
    expectRight(report, [300, 400, 300]);
    const blind = report.devices[2];
    expect(blind).not.toHaveProperty('energyJoules');
    expect(Object.keys(blind?.gapSecondsByReason ?? {})).toEqual(['not-supported']);
    expect(report.energy.coverageRatio).toBeCloseTo(2 / 3, 6);
    expect(report.warnings.map(({ code }) => code)).toContain('no-power-sensor');
  });

  test('that reports an error: the run says so, and an agent counts it over its own death', async (context) => {
    const xids = [{ at: 3, code: 79 }];
    const report = await reportOf(machineOf(context, [board, { ...other, xids }]), 5);
    expect(report.devices.map(({ warnings }) => warnings.map(({ code }) => code))).toEqual([
      [],
      ['gpu-xid'],
    ]);

    const place = open();
    const start = (machine: Machine) =>
      place.start(['agent', '--web.listen-address', '127.0.0.1:0', '--flush-seconds', '0.1'], {
        env: environmentOf(machine),
      });
    const series = `wattmeter_gpu_xid_errors_total{gpu="1",uuid="${simulatedUuid(1)}",xid="79"}`;
    const untilCounted = async (agent: ReturnType<typeof start>): Promise<void> => {
      const [, url = ''] = await agent.says(/serving (http:\S+)/);
      await vi.waitFor(
        async () => expect((await scrapeCounters(url.replace(/\/$/, ''))).get(series)).toBe(1),
        { timeout: 30_000, interval: 200 },
      );
    };
    {
      await using agent = start(machineOf(context, [board, { ...other, xids }]));
      await untilCounted(agent);
      expect(agent.stderr).toMatch(/Xid 79 \(it fell off the bus\) of GPU 1/);
      agent.kill('SIGKILL');
      await agent.ended;
    }
    await using agent = start(machineOf(context, [board, other]));
    await untilCounted(agent);
  });
});

describe.concurrent('a job that has MIG instances', () => {
  const gpus = [board, { ...other, migInstances: 3 }];

  test.for([
    { name: 'two of one GPU', list: [simulatedMigUuid(1, 0), simulatedMigUuid(1, 2)].join(',') },
    { name: 'one by its old name', list: `MIG-${simulatedUuid(1)}/3/0` },
  ])('($name) is billed the whole GPU, once, and told', async ({ list }, context) => {
    const machine = machineOf(context, gpus);
    const report = await reportOf(machine, 2.5, { CUDA_VISIBLE_DEVICES: list });
    expectRight(report, [400]);
    expect(report.devices.map(({ index }) => index)).toEqual([1]);
    expect(report.warnings.map(({ code }) => code)).toContain('mig-shared');
  });

  test('is billed the same through nvidia-smi', async () => {
    const place = open({
      gpus: [
        { uuid: 'GPU-a', load: [{ kind: 'constant', watts: 100 }] },
        {
          uuid: 'GPU-b',
          load: [{ kind: 'constant', watts: 200 }],
          migInstances: ['MIG-1', 'MIG-2'],
        },
      ],
    });
    const file = place.path('report.json');
    const ended = await place.run(['run', '--quiet', '--report-json', file, '--', 'sleep', '2.5'], {
      env: { CUDA_VISIBLE_DEVICES: 'MIG-2' },
    });
    expect(ended.code, ended.stderr).toBe(0);
    const report = parseReport(readFileSync(file, 'utf8'), file);
    expectRight(report, [200]);
    expect(report.devices.map(({ uuid }) => uuid)).toEqual(['GPU-b']);
    expect(report.warnings.map(({ code }) => code)).toContain('mig-shared');
  });
});

describe.concurrent('wattmeter devices and doctor', () => {
  test('name what each GPU is read by, of a library with the least there is', async (context) => {
    const place = open();
    const env = environmentOf(machineOf(context, [], { build: { isMinimal: true } }));
    const { code, stdout, stderr } = await place.run(['devices', '--json'], { env });
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject([
      { uuid: 'PCI-index-0', source: 'nvml', sensor: { field: 'draw' }, method: 'counter' },
      { uuid: 'PCI-index-1', source: 'nvml', sensor: { field: 'draw' }, method: 'counter' },
    ]);
  });

  test.for([
    { init: 4, code: 'nvml-no-permission', mend: /\/dev\/nvidia/ },
    { init: 9, code: 'nvml-driver-not-loaded', mend: /modprobe/ },
    { init: 12, code: 'nvml-library-missing', mend: /Install the NVIDIA driver/ },
    { init: 18, code: 'nvml-version-mismatch', mend: /Reboot/ },
  ])('say $code, and the mend, where NVML answers $init', async (row, context) => {
    const place = open();
    const faults: Fault[] = [{ kind: 'code', code: row.init, ...forEver }];
    const { code, stdout } = await place.run(['doctor', '--json', '--seconds', '1'], {
      env: {
        ...environmentOf(machineOf(context, [board], { faults })),
        ...NO_GPU,
        WATTMETER_SOURCE: '',
      },
    });
    expect(code).toBe(1);
    const { findings } = JSON.parse(stdout) as { findings: readonly Finding[] };
    expect(findings.find((finding) => finding.code === row.code)?.mend).toMatch(row.mend);
  });

  test('complain of what is blind and of what is lost, each with its mend, and exit 1', async (context) => {
    const place = open();
    const gpus = [
      board,
      { ...board, faults: without('draw', 'instant', 'counter') },
      { ...board, faults: [{ kind: 'lost', from: 0, to: Infinity } as const] },
      { ...board, persistence: false, xids: [{ at: 1, code: 48 }] },
    ];
    const { code, stdout } = await place.run(['doctor', '--json', '--seconds', '4'], {
      env: environmentOf(machineOf(context, gpus)),
    });
    expect(code).toBe(1);
    const { findings } = JSON.parse(stdout) as { findings: readonly Finding[] };
    const complaints = findings.filter(({ severity }) => severity !== 'ok');
    for (const { code: what, mend } of complaints)
      expect([what, mend]).toEqual([what, expect.stringMatching(/\S/)]);
    const of = (uuid: string): string[] =>
      complaints.filter((finding) => finding.uuid === uuid).map((finding) => finding.code);
    expect(of(simulatedUuid(1))).toContain('no-reading');
    expect(of(simulatedUuid(3))).toEqual(expect.arrayContaining(['persistence-off', 'gpu-xid']));
  });
});
