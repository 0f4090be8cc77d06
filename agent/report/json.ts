// The report as JSON: report.ts, written out.

import type { Report } from './report.ts';

/** Indented, ending in a line break. */
export const formatJson = (report: Report): string => `${JSON.stringify(report, undefined, 2)}\n`;
