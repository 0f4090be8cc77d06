// What nvidia-smi is asked for: only fields that its own help knows, because one unknown field fails the whole query.

/** The fields of a query, in the order asked; `name` last, because it alone may hold a comma. */
export const QUERY_FIELDS = [
  'timestamp',
  'index',
  'uuid',
  'power.draw',
  'power.draw.average',
  'power.draw.instant',
  'utilization.gpu',
  'memory.used',
  'memory.total',
  'temperature.gpu',
  'clocks.current.sm',
  'enforced.power.limit',
  'power.default_limit',
  'driver_version',
  'pci.bus_id',
  'name',
] as const;
export type QueryField = (typeof QUERY_FIELDS)[number];

const LISTED = /^"([\w.]+)"(?: or "([\w.]+)")?/gm;

/** The fields to ask for, given what `--help-query-gpu` printed. */
export function fieldsKnownTo(help: string): QueryField[] {
  const known = new Set(
    [...help.matchAll(LISTED)].flatMap((match) => [match[1] ?? '', match[2] ?? '']),
  );
  return QUERY_FIELDS.filter((field) => known.has(field));
}
