// The forms of a report by name: what --format takes. Each form is loaded when it is asked for, not before.

import type { ReportFormat } from '../options.ts';
import type { HtmlOptions } from './html.ts';
import type { Report } from './report.ts';
import type { TextOptions } from './text.ts';

/** What some of the forms may be told. */
export type FormatOptions = TextOptions & HtmlOptions;

type Formatter = (report: Report, options: FormatOptions) => string;

const FORMATTERS: Readonly<Record<ReportFormat, () => Promise<Formatter>>> = {
  text: async () => (await import('./text.ts')).formatText,
  json: async () => (await import('./json.ts')).formatJson,
  csv: async () => (await import('./csv.ts')).formatCsv,
  markdown: async () => (await import('./markdown.ts')).formatMarkdown,
  html: async () => (await import('./html.ts')).formatHtml,
  focus: async () => (await import('./focus.ts')).formatFocus,
  'emissions-csv': async () => (await import('./emissions-csv.ts')).formatEmissionsCsv,
  'model-card': async () => (await import('./model-card.ts')).formatModelCard,
  cyclonedx: async () => (await import('./cyclonedx.ts')).formatCycloneDx,
  'eu-ai-act': async () => (await import('./eu-ai-act.ts')).formatEuAiAct,
};

/**
 * The report in a form, ending in a line break.
 * @throws InputError where the form is nothing without a figure that the report does not have
 */
export async function formatReport(
  report: Report,
  format: ReportFormat,
  options: FormatOptions = {},
): Promise<string> {
  const formatter: Formatter = await FORMATTERS[format]();
  return formatter(report, options);
}
