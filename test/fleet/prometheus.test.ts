import { expect, test, vi } from 'vitest';

import { known } from '../known.ts';
import type { Report } from '../../agent/report/report.ts';
import { parseReport } from '../../agent/report/schema.ts';
import { buildStandIn } from '../doubles/libnvidia-ml.ts';
import { freePort } from '../e2e/scrape.ts';
import { needProgram } from '../system-program.ts';
import {
  INTENSITY,
  PRICE,
  PUE,
  SimulatedAgent,
  type SimulatedGpu,
  startPrometheus,
  wallSeconds,
  type Job,
  type RealPrometheus,
} from './agents.ts';
import { call } from './command.ts';
import { openNodes, runOnNodes, storedReport, trueEnergyOf } from './nodes.ts';

const NODES = 20;
const SPAN_SECONDS = 28;
const PATIENCE = { timeout: 90_000, interval: 250 };

async function fleetOf(url: string, start: number, flags: readonly string[] = []): Promise<Report> {
  const span = ['--start', start.toFixed(3), '--end', (start + SPAN_SECONDS).toFixed(3)];
  const argv = ['report', '--prometheus', url, '--job', 'wattmeter', ...span, '--format', 'json'];
  const { stdout, stderr } = await call([...argv, ...flags]);
  expect(stderr).toBe('');
  return parseReport(stdout, 'stdout');
}

const until = (prometheus: RealPrometheus, expression: string, least: number): Promise<void> =>
  vi.waitFor(
    async () => expect(await prometheus.value(expression)).toBeGreaterThanOrEqual(least),
    PATIENCE,
  );
/** Every target that answers has been scraped since `time`. */
const scrapedPast = (prometheus: RealPrometheus, time: number): Promise<void> =>
  until(prometheus, 'min(timestamp(up))', time);

/** The GPU whose counter is lost when its agent is away: one of little power and a long history. */
const lostOf = (agents: readonly SimulatedAgent[]): SimulatedGpu | undefined => agents[0]?.gpus[1];

/** Runs a job on the fleet; three agents go away in its middle and come back, one with a lost counter. */
async function runJob(
  agents: readonly SimulatedAgent[],
  job: Job,
  prometheus: RealPrometheus,
): Promise<void> {
  await until(prometheus, 'sum(up)', NODES);
  job.startSeconds = Math.ceil(wallSeconds() + 2) + 0.37;
  const away = [0, 3, 11].flatMap((node) => agents[node] ?? []);
  await scrapedPast(prometheus, job.startSeconds + SPAN_SECONDS / 3);
  await Promise.all(away.map((agent) => agent.stop()));
  const lost = lostOf(agents);
  if (lost !== undefined) lost.resetSeconds = wallSeconds();
  await until(prometheus, 'sum(up == bool 0)', away.length);
  await Promise.all(away.map((agent) => agent.start()));
  await scrapedPast(prometheus, job.startSeconds + SPAN_SECONDS + 1);
}

test.concurrent(
  'the fleet’s energy out of a real Prometheus is the sum of truths, through restarts',
  { timeout: 240_000 },
  async (context) => {
    const program = needProgram(context, 'prometheus');
    const job: Job = { startSeconds: Infinity, lengthSeconds: SPAN_SECONDS };
    const agents = Array.from({ length: NODES }, (_, node) => new SimulatedAgent(job, node));
    try {
      for (const agent of agents) await agent.start();
      const targets = agents.map(({ target }) => target);
      await using prometheus = await startPrometheus(program, targets);
      await runJob(agents, job, prometheus);
      const report = await fleetOf(prometheus.url, job.startSeconds);
      const repriced = await fleetOf(prometheus.url, job.startSeconds, [
        '--price',
        '1',
        '--pue',
        '1',
      ]);
      expectTruth(report, agents, job);
      expect(repriced.energy.gpuJoules).toBe(report.energy.gpuJoules);
      expect(repriced.cost.energyCost).toBeCloseTo(known(report.energy.gpuJoules) / 3.6e6, 9);
    } finally {
      await Promise.all(agents.map((agent) => agent.stop()));
    }
  },
);

function expectTruth(report: Report, agents: readonly SimulatedAgent[], job: Job): void {
  const end = job.startSeconds + SPAN_SECONDS;
  const truths = new Map(
    agents.flatMap(({ gpus, lives }) =>
      gpus.map((gpu) => [gpu.uuid, gpu.measured(lives, job.startSeconds, end)] as const),
    ),
  );
  const truth = [...truths.values()].reduce((total, energy) => total + energy, 0);
  const lost = lostOf(agents)?.uuid;
  expect(report.devices).toHaveLength(NODES * 8);
  expect(Math.abs(known(report.energy.gpuJoules) / truth - 1)).toBeLessThan(0.001);
  for (const { uuid, energyJoules, uncertaintyJoules } of report.devices) {
    // 5 % is what the agents claim; what a lost counter held is no error but a gap.
    const error = known(energyJoules) - (truths.get(uuid) ?? 0);
    if (uuid === lost) expect(error).toBeLessThan(0);
    else expect(Math.abs(error)).toBeLessThan(known(uncertaintyJoules) / 10);
  }
  const kilowattHours = (truth / 3.6e6) * PUE;
  expect(Math.abs((report.cost.energyCost ?? 0) / (kilowattHours * PRICE) - 1)).toBeLessThan(0.001);
  expect(report.carbon).toMatchObject({ zone: 'DEU' });
  const grams = 'missing' in report.carbon ? 0 : report.carbon.locationBasedGrams;
  expect(Math.abs(grams / (kilowattHours * INTENSITY) - 1)).toBeLessThan(0.001);
  expectGaps(report, agents);
}

function expectGaps(report: Report, agents: readonly SimulatedAgent[]): void {
  for (const { target, gpus, lives } of agents) {
    const [first, second] = lives;
    const away = (second?.startSeconds ?? 0) - (first?.endSeconds ?? 0);
    const lines = report.devices.filter(({ host }) => host === target);
    expect(lines.map(({ uuid }) => uuid)).toEqual(gpus.map(({ uuid }) => uuid));
    for (const { gapSeconds } of lines) {
      if (second === undefined) expect(gapSeconds).toBe(0);
      // The lost counter also lost the time since its last scrape.
      else expect(Math.abs(gapSeconds - away)).toBeLessThan(2);
    }
  }
  expect(report.warnings.filter(({ code }) => code === 'fleet-restarted')).toHaveLength(1);
}

const gramsOf = ({ carbon }: Report): number =>
  'missing' in carbon ? NaN : carbon.locationBasedGrams;

/** Within 0.1 %. */
const expectSame = (value: number | undefined, other: number | undefined): void =>
  expect(Math.abs(known(value) / known(other) - 1)).toBeLessThan(0.001);

function expectAlike(report: Report, locals: readonly Report[]): void {
  const sum = (figure: (report: Report) => number | undefined): number =>
    locals.reduce((total, local) => total + known(figure(local)), 0);
  expectSame(
    report.energy.gpuJoules,
    sum(({ energy }) => energy.gpuJoules),
  );
  expectSame(
    report.energy.facilityJoules,
    sum(({ energy }) => energy.facilityJoules),
  );
  expectSame(
    report.cost.energyCost,
    sum(({ cost }) => cost.energyCost),
  );
  expectSame(gramsOf(report), sum(gramsOf));
  expect(report.compute.ratedPowerWatts).toBe(sum(({ compute }) => compute.ratedPowerWatts));
  const byUuid = new Map(locals.flatMap(({ devices }) => devices.map((line) => [line.uuid, line])));
  expect(report.devices).toHaveLength(byUuid.size);
  for (const { uuid, energyJoules } of report.devices)
    expectSame(energyJoules, byUuid.get(uuid)?.energyJoules);
}

test.concurrent(
  'the fleet’s report is the sum of its nodes’ own reports, and that of the same merged, through a killed agent',
  { timeout: 240_000 },
  async (context) => {
    const program = needProgram(context, 'prometheus');
    const library = buildStandIn(context);
    const ports = [await freePort(), await freePort(), await freePort()] as const;
    const targets = ports.map((port) => `127.0.0.1:${port}`);
    await using prometheus = await startPrometheus(program, targets);
    await until(prometheus, 'count(up)', ports.length);
    await using nodes = openNodes(library, ports);
    const span = await runOnNodes(nodes, (time) => scrapedPast(prometheus, time));
    await scrapedPast(prometheus, span.end + 1);
    const { first, second, third } = nodes;
    const locals = [
      await storedReport(first, span),
      await storedReport(second, span),
      await third.report([third.reportFile]),
    ];
    const times = ['--start', span.start.toFixed(3), '--end', span.end.toFixed(3)];
    const argv = ['--prometheus', prometheus.url, '--job', 'wattmeter', ...times];
    const fleet = await first.report(argv);
    expectAlike(fleet, locals);
    const files = [first, second, third].map(({ reportFile }) => reportFile);
    expectAlike(await first.report([...files, '--merge']), locals);
    expectSame(fleet.energy.gpuJoules, trueEnergyOf(nodes, span));
  },
);
