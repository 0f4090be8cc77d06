import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

import { needProgram } from '../system-program.ts';
import { EXPOSED, selectionsOf, TARGET_LABELS } from './promql.ts';

const rulesDirectory = resolve(import.meta.dirname, '../../exporter/prometheus');
const rulesPath = (name: string): string => join(rulesDirectory, `${name}.yml`);
const testPath = (name: string): string => resolve(import.meta.dirname, `${name}.rules-test.yml`);

const rule = z.strictObject({
  record: z.string().optional(),
  alert: z.string().optional(),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
const ruleFile = z.strictObject({
  groups: z.array(z.strictObject({ name: z.string(), interval: z.string(), rules: z.array(rule) })),
});
const rulesOf = (name: string) =>
  ruleFile.parse(parse(readFileSync(rulesPath(name), 'utf8'))).groups.flatMap(({ rules }) => rules);

const unitTests = z.object({
  tests: z.array(
    z.object({
      promql_expr_test: z.array(z.object({ expr: z.string() })).default([]),
      alert_rule_test: z
        .array(z.object({ alertname: z.string(), exp_alerts: z.array(z.unknown()) }))
        .default([]),
    }),
  ),
});
const unitTestsOf = (name: string) =>
  unitTests.parse(parse(readFileSync(testPath(name), 'utf8'))).tests;

const recordings = rulesOf('recording');
const alerts = rulesOf('alerts');
const recorded = new Set(recordings.map(({ record = '' }) => record));

interface Outcome {
  readonly status: number | null;
  readonly output: string;
}

function run(program: string, args: readonly string[]): Outcome {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

/** Runs the recording rules' unit tests against a copy of the rules that was made wrong on purpose. */
function testMutant(promtool: string, right: string, wrong: string): Outcome {
  const rules = readFileSync(rulesPath('recording'), 'utf8');
  expect(rules).toContain(right);
  const directory = mkdtempSync(join(tmpdir(), 'wattmeter-rules-'));
  try {
    writeFileSync(join(directory, 'recording.yml'), rules.replace(right, wrong));
    const tests = readFileSync(testPath('recording'), 'utf8');
    const path = join(directory, 'test.yml');
    writeFileSync(path, tests.replace('../../exporter/prometheus/recording.yml', 'recording.yml'));
    return run(promtool, ['test', 'rules', path]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

describe.each(['recording', 'alerts'])('the %s rules', (name) => {
  test('are rules to promtool', (context) => {
    const promtool = needProgram(context, 'promtool');
    expect(run(promtool, ['check', 'rules', rulesPath(name)])).toMatchObject({ status: 0 });
  });

  test('pass their unit tests', (context) => {
    const promtool = needProgram(context, 'promtool');
    const outcome = run(promtool, ['test', 'rules', testPath(name)]);
    expect(outcome.status, outcome.output).toBe(0);
  });
});

describe('the unit tests of the recording rules', () => {
  test.for([
    [
      'a GPU that is counted twice',
      'max by (cluster, instance, uuid) (',
      'sum by (cluster, instance, uuid) (',
    ],
    [
      'a job that is counted twice',
      'max by (cluster, instance, uuid, kind',
      'sum by (cluster, instance, uuid, kind',
    ],
    ['a cost without its credit', ' - rate(wattmeter_gpu_energy_credit_total[5m])', ''],
    ['a part of a job given out for its bill', '"slurm"} > 0', '"slurm"} > Inf'],
    ['a thirteenth step in an hour', '59m59s999ms', '1h'],
    ['a chassis meter added to its parts', '(package|dram|grace).*', '.*'],
  ] as const)('see %s', ([, right, wrong], context) => {
    const { status, output } = testMutant(needProgram(context, 'promtool'), right, wrong);
    expect(status, output).toBe(1);
  });

  test('ask for every recorded series', () => {
    const asked = unitTestsOf('recording').flatMap(({ promql_expr_test: tests }) =>
      tests.flatMap(({ expr }) => selectionsOf(expr).map(({ metric }) => metric)),
    );
    expect([...recorded].filter((name) => !asked.includes(name))).toEqual([]);
  });
});

describe('the unit tests of the alerts', () => {
  const checks = unitTestsOf('alerts').flatMap(({ alert_rule_test: tests }) => tests);

  test.each(alerts.map(({ alert = '' }) => alert))('show %s firing and silent', (alert) => {
    const counts = checks
      .filter(({ alertname }) => alertname === alert)
      .map(({ exp_alerts: expected }) => expected.length);
    expect(counts).toContain(0);
    expect(Math.max(...counts)).toBeGreaterThan(0);
  });
});

describe('every rule', () => {
  const known = (metric: string): boolean =>
    metric === 'up' || recorded.has(metric) || EXPOSED.has(metric);

  test.each([...recordings, ...alerts].map((one) => [one.record ?? one.alert ?? '', one.expr]))(
    '%s selects only what Wattmeter exposes or another rule records',
    (_name, expression) => {
      const selections = selectionsOf(expression);
      expect(selections.length).toBeGreaterThan(0);
      for (const { metric, labels } of selections) {
        expect(known(metric), metric).toBe(true);
        const allowed = [...(EXPOSED.get(metric) ?? labels), ...TARGET_LABELS];
        expect(allowed).toEqual(expect.arrayContaining([...labels]));
      }
    },
  );

  test('never fills what is absent with a number', () => {
    for (const { expr } of [...recordings, ...alerts])
      expect(expr).not.toMatch(/\bvector\(|\bor\s+0/);
  });

  test('is named once, and every alert says what happened and what to do', () => {
    expect(recorded.size).toBe(recordings.length);
    for (const { annotations, labels } of alerts) {
      expect(annotations).toEqual({ summary: expect.any(String), description: expect.any(String) });
      expect(['critical', 'warning', 'info']).toContain(labels?.['severity']);
    }
  });

  test('knows a metric that does not exist, and a label that it does not have', () => {
    expect(EXPOSED.has('wattmeter_gpu_joules')).toBe(false);
    expect(selectionsOf('rate(wattmeter_source_up{source="nvml", gpu=~"0"}[5m])')).toEqual([
      { metric: 'wattmeter_source_up', labels: ['source', 'gpu'] },
    ]);
    expect(() => selectionsOf('sum by (uuid (wattmeter_gpu_power_watts)')).toThrow('Not PromQL');
  });
});
