import { describe, expect, test } from 'vitest';

import { EXPOSED, selectionsOf } from '../prometheus/promql.ts';
import { recordingRules } from '../prometheus/simulated-fleet.ts';
import { dataPanels, isDashboard, readDashboard } from './dashboard.ts';

const NAMES = ['fleet', 'job'] as const;
const recorded = new Set(recordingRules().map(({ record }) => record));
const variablesIn = (text: string): string[] =>
  [...text.matchAll(/\$\{?([a-z]+)/g)].map(([, name = '']) => name);
const plain = (expression: string): string =>
  expression.replaceAll('$__rate_interval', '5m').replaceAll(/\$[a-z]+/g, '.+');

describe.each(NAMES)('the %s dashboard', (name) => {
  const board = readDashboard(name);
  const panels = dataPanels(board);

  test('is a dashboard of the schema version that it names', () => {
    expect(board.schemaVersion).toBe(39);
    expect(isDashboard({ ...board, panels: [{ ...panels[0], gridpos: {} }] })).toBe(false);
  });

  test('gives every panel an id, a place and a query name of its own', () => {
    expect(new Set(board.panels.map(({ id }) => id)).size).toBe(board.panels.length);
    for (const { targets } of panels) {
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
    }
    const taken = new Set<string>();
    for (const { id, gridPos } of board.panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(taken.has(`${x},${y}`), `panel ${id} covers another at ${x},${y}`).toBe(false);
          taken.add(`${x},${y}`);
        }
      }
    }
  });

  test('declares each variable that it uses before it is used', () => {
    const declared: string[] = [];
    for (const variable of board.templating.list) {
      const asked = variable.type === 'query' ? variablesIn(variable.query.query) : [];
      expect(declared).toEqual(expect.arrayContaining(asked));
      declared.push(variable.name);
    }
    expect(declared).toEqual(expect.arrayContaining(['datasource', 'node', 'gpu']));
    for (const { targets } of panels) {
      for (const { expr } of targets) {
        expect(declared).toEqual(
          expect.arrayContaining(variablesIn(expr.replaceAll('$__rate_interval', ''))),
        );
      }
    }
  });

  test('asks only for what Wattmeter exposes or its rules record', () => {
    for (const { targets } of panels) {
      for (const { expr } of targets) {
        for (const { metric } of selectionsOf(plain(expr))) {
          expect(recorded.has(metric) || EXPOSED.has(metric), metric).toBe(true);
        }
      }
    }
  });
});

test('the dashboards have ids of their own and link to each other', () => {
  const [fleet, job] = NAMES.map(readDashboard);
  expect(fleet?.uid).not.toBe(job?.uid);
  expect(fleet?.links[0]?.url).toContain(`/d/${job?.uid ?? ''}?`);
  expect(job?.links[0]?.url).toContain(`/d/${fleet?.uid ?? ''}?`);
});
