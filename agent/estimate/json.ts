// An estimate as JSON: figures by key, units last in their names. Pure.

import type { EstimateResult } from './estimate.ts';

/** The value to serialise, `schema: "wattmeter.estimate/1"` or `"wattmeter.verification/1"`. */
export function estimateJson(result: EstimateResult): Readonly<Record<string, unknown>> {
  if (result.kind === 'verification') {
    return { schema: 'wattmeter.verification/1', rows: result.rows };
  }
  const { sections, ...rest } = result.estimate;
  const bySection = sections.map(({ key, figures, missing }) => [
    key,
    {
      ...Object.fromEntries(
        figures.map(({ key: name, value, unit, provenance, note }) => [
          name,
          { ...value, unit, provenance, ...(note === undefined ? {} : { note }) },
        ]),
      ),
      ...(missing === undefined ? {} : { missing }),
    },
  ]);
  return { schema: 'wattmeter.estimate/1', ...rest, ...Object.fromEntries(bySection) };
}
