// What the dashboards under test must look like: Grafana's dashboard model at the schema version that they name, as far
// as they use it. Strict, so that a key that Grafana would not know is a failure.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { z } from 'zod';

const datasource = z.strictObject({
  type: z.literal('prometheus'),
  uid: z.literal('${datasource}'),
});
const gridPos = z.strictObject({
  h: z.number().int().min(1),
  w: z.number().int().min(1).max(24),
  x: z.number().int().min(0).max(23),
  y: z.number().int().min(0),
});
const target = z.strictObject({
  refId: z.string().regex(/^[A-Z]$/),
  datasource,
  editorMode: z.literal('code'),
  expr: z.string().min(1),
  legendFormat: z.string(),
  instant: z.boolean(),
  range: z.boolean(),
  format: z.literal('table').optional(),
});
const threshold = z.strictObject({ color: z.string(), value: z.number().nullable() });
const fieldConfig = z.strictObject({
  defaults: z.strictObject({
    unit: z.string().min(1),
    decimals: z.number().int().optional(),
    min: z.number().optional(),
    max: z.number().optional(),
    color: z.strictObject({ mode: z.enum(['palette-classic', 'thresholds']) }),
    thresholds: z.strictObject({ mode: z.literal('absolute'), steps: z.array(threshold).min(1) }),
    custom: z.record(z.string(), z.unknown()).optional(),
  }),
  overrides: z.array(z.never()),
});
const organize = z.strictObject({
  id: z.literal('organize'),
  options: z.strictObject({
    excludeByName: z.record(z.string(), z.boolean()),
    indexByName: z.record(z.string(), z.number()),
    renameByName: z.record(z.string(), z.string()),
  }),
});
const row = z.strictObject({
  id: z.number().int(),
  type: z.literal('row'),
  title: z.string().min(1),
  collapsed: z.literal(false),
  gridPos,
  panels: z.array(z.never()),
});
const dataPanel = z.strictObject({
  id: z.number().int(),
  type: z.enum(['stat', 'timeseries', 'bargauge', 'table']),
  title: z.string().min(1),
  description: z.string().min(1),
  datasource,
  gridPos,
  fieldConfig,
  options: z.record(z.string(), z.unknown()),
  targets: z.array(target).min(1),
  transformations: z.array(organize).optional(),
});
const variableBase = {
  name: z.string().regex(/^[a-z]+$/),
  label: z.string().min(1),
  hide: z.literal(0),
  regex: z.literal(''),
  options: z.array(z.never()),
  skipUrlSync: z.literal(false),
};
const datasourceVariable = z.strictObject({
  ...variableBase,
  type: z.literal('datasource'),
  query: z.literal('prometheus'),
  multi: z.literal(false),
  includeAll: z.literal(false),
  refresh: z.literal(1),
  current: z.strictObject({}),
});
const queryVariable = z.strictObject({
  ...variableBase,
  type: z.literal('query'),
  description: z.string().min(1),
  datasource,
  definition: z.string(),
  query: z.strictObject({ query: z.string(), refId: z.string(), qryType: z.literal(1) }),
  refresh: z.literal(2),
  sort: z.number().int(),
  multi: z.literal(true),
  includeAll: z.literal(true),
  allValue: z.literal('.+'),
  current: z.strictObject({
    selected: z.boolean(),
    text: z.array(z.string()),
    value: z.array(z.string()),
  }),
});
const dashboard = z.strictObject({
  uid: z.string().min(1).max(40),
  title: z.string().min(1),
  description: z.string().min(1),
  tags: z.array(z.string()),
  schemaVersion: z.literal(39),
  version: z.number().int(),
  editable: z.boolean(),
  graphTooltip: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  liveNow: z.boolean(),
  refresh: z.string(),
  time: z.strictObject({ from: z.string(), to: z.string() }),
  timepicker: z.strictObject({}),
  timezone: z.enum(['browser', 'utc']),
  weekStart: z.string(),
  fiscalYearStartMonth: z.number().int().min(0).max(11),
  annotations: z.strictObject({ list: z.array(z.looseObject({ builtIn: z.literal(1) })) }),
  links: z.array(z.looseObject({ type: z.literal('link'), url: z.string() })),
  templating: z.strictObject({
    list: z.array(z.discriminatedUnion('type', [datasourceVariable, queryVariable])),
  }),
  panels: z.array(z.union([row, dataPanel])),
});

/** A dashboard that has passed. */
export type Dashboard = z.infer<typeof dashboard>;
export type DataPanel = z.infer<typeof dataPanel>;

/** Reads one of ours. @throws ZodError with the path of what is wrong. */
export const readDashboard = (name: string): Dashboard =>
  dashboard.parse(
    JSON.parse(
      readFileSync(resolve(import.meta.dirname, `../../exporter/grafana/${name}.json`), 'utf8'),
    ),
  );

/** Checks any value as a dashboard. */
export const isDashboard = (value: unknown): boolean => dashboard.safeParse(value).success;

/** The panels that show data, without the rows. */
export const dataPanels = ({ panels }: Dashboard): DataPanel[] =>
  panels.filter((panel): panel is DataPanel => panel.type !== 'row');
