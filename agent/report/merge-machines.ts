// Whose a log is that names neither host nor GPU: its own machine's, unless it is the very log of another report. Else
// the GPU 0 of one node would pass for the GPU 0 of the next, and be counted once.

import type { Report } from './report.ts';

/** What `host` says of a log. */
const UNKNOWN_HOST = 'unknown';
/** How a log's reader names GPUs that have no UUID in it. */
const MADE_UP = /^trace-/;

const isNameless = ({ run, devices }: Report): boolean =>
  run.host === UNKNOWN_HOST && devices.some(({ uuid }) => MADE_UP.test(uuid));

const onHost = (report: Report, host: string): Report => ({
  ...report,
  run: { ...report.run, host },
});

/** The reports, each nameless one on a host that is called as its file. */
export function onMachines(reports: readonly Report[]): readonly Report[] {
  const hosts = new Map<string, string>();
  const counts = new Map<string, number>();
  return reports.map((report) => {
    if (!isNameless(report)) return report;
    const file = report.input?.file ?? report.run.name ?? report.run.id;
    // Of one file, read twice, the devices are the same to the last digit.
    const identity = JSON.stringify([file, report.devices]);
    const known = hosts.get(identity);
    if (known !== undefined) return onHost(report, known);
    const count = (counts.get(file) ?? 0) + 1;
    const host = count === 1 ? file : `${file} (${count})`;
    counts.set(file, count);
    hosts.set(identity, host);
    return onHost(report, host);
  });
}
