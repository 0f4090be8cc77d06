// Every panel over a real Prometheus that holds a simulated fleet and what the recording rules made of it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import {
  startPrometheusServer,
  type PrometheusServer,
  type ResultSeries,
} from '../prometheus/prometheus-server.ts';
import {
  END_SECONDS,
  FLEET_WATTS,
  NODES,
  recordFleet,
  START_SECONDS,
} from '../prometheus/simulated-fleet.ts';
import { needProgram } from '../system-program.ts';
import { dataPanels, readDashboard, type Dashboard } from './dashboard.ts';

const RANGE = { start: END_SECONDS - 3600, end: END_SECONDS, step: 60 };
const TIMEOUT_MILLISECONDS = 180_000;

/** `label_values(selector, label)` as Grafana resolves it, variable by variable. */
async function resolveVariables(
  server: PrometheusServer,
  board: Dashboard,
): Promise<Map<string, string>> {
  const values = new Map<string, string>();
  for (const variable of board.templating.list) {
    if (variable.type !== 'query') continue;
    const [, selector = '', label = ''] =
      /^label_values\((.+), (\w+)\)$/.exec(variable.query.query) ?? [];
    const found = await server.labelValues(
      label,
      substitute(selector, values),
      START_SECONDS,
      END_SECONDS,
    );
    expect(found.length, `values of $${variable.name}`).toBeGreaterThan(0);
    values.set(variable.name, `(${found.join('|')})`);
  }
  return values;
}

const substitute = (text: string, values: ReadonlyMap<string, string>): string =>
  text
    .replaceAll('$__rate_interval', '2m')
    .replaceAll(/\$([a-z]+)/g, (_all, name: string) => values.get(name) ?? `no value of ${name}`);

function expectData(result: readonly ResultSeries[], legend: string, query: string): void {
  expect(result.length, `series of ${query}`).toBeGreaterThan(0);
  for (const { labels, values } of result) {
    expect(values.some(Number.isFinite), `values of ${query}`).toBe(true);
    for (const [, label = ''] of legend.matchAll(/\{\{(\w+)\}\}/g)) {
      expect(Object.keys(labels), `legend of ${query}`).toContain(label);
    }
  }
}

test(
  'no panel of any dashboard is empty, and the totals are the fleet',
  async (context) => {
    const programs = {
      prometheus: needProgram(context, 'prometheus'),
      promtool: needProgram(context, 'promtool'),
    };
    const directory = mkdtempSync(join(tmpdir(), 'wattmeter-grafana-'));
    try {
      await recordFleet(directory, programs);
      await using server = await startPrometheusServer(programs.prometheus, directory);
      for (const name of ['fleet', 'job']) {
        const board = readDashboard(name);
        const values = await resolveVariables(server, board);
        for (const { title, targets } of dataPanels(board)) {
          for (const { expr, legendFormat, instant } of targets) {
            const query = substitute(expr, values);
            const result = instant
              ? await server.query(query, END_SECONDS)
              : await server.queryRange(query, RANGE);
            expectData(result, legendFormat, `${name}, ${title}: ${query}`);
          }
        }
      }
      const total = async (query: string): Promise<number | undefined> =>
        (await server.query(query, END_SECONDS))[0]?.values[0];
      expect(await total('sum(fleet:wattmeter_gpu_energy_joules:rate5m)')).toBeCloseTo(
        FLEET_WATTS,
        6,
      );
      expect(await total('fleet:wattmeter_gpu_energy_joules:increase1h')).toBeCloseTo(
        FLEET_WATTS * 3600,
        3,
      );
      const parts =
        'sum(job:wattmeter_job_gpu_energy_joules:increase1h) + sum(fleet:wattmeter_unattributed_gpu_energy_joules:increase1h)';
      expect(await total(parts)).toBeCloseTo(FLEET_WATTS * 3600, 3);
      expect(
        await server.query('job:wattmeter_job_gpu_energy_joules:rate5m', END_SECONDS),
      ).toHaveLength(1 + NODES.length);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
  TIMEOUT_MILLISECONDS,
);
