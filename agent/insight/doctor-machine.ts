// Doctor on the machine around the GPUs: clock, disk, ports, the ledger's runs, the config file. Pure.

import { formatDuration, formatNumber } from '../display/quantity.ts';
import type {
  CalibrationFacts,
  Checked,
  ClockFacts,
  ConfigFacts,
  DiskFacts,
  DoctorFacts,
  Finding,
  LedgerFacts,
  PortFacts,
  Refusal,
} from './doctor.ts';

const MEBIBYTE = 1_048_576;
// An agent of eight GPUs writes some tens of MB a week; below the first figure not even a day fits.
const SCARCE_BYTES = 1024 * MEBIBYTE;
const FULL_BYTES = 16 * MEBIBYTE;
const SLOW_SYNC_SECONDS = 1;
const CLOCK_STEP_SECONDS = 0.05;
// Prices change by the minute at most: a clock that may be off by more puts energy into the wrong one.
const MAXIMUM_ERROR_SECONDS = 1;
const NAMED_RUNS = 3;

/** Findings about everything that is no GPU. */
export function machineFindings(facts: DoctorFacts): readonly Finding[] {
  return [
    ...clock(facts.clock),
    ...disk(facts.disk),
    ...ledger(facts.ledger),
    ...calibrations(facts.calibrations),
    ...facts.ports.flatMap(port),
    ...config(facts.config),
  ];
}

function clock({ stepSeconds, isSynchronized, maximumErrorSeconds }: ClockFacts): Finding[] {
  const thing = 'The wall clock';
  const found = (finding: Omit<Finding, 'area' | 'thing'>): Finding => ({
    area: 'clock',
    thing,
    ...finding,
  });
  const findings: Finding[] = [];
  if (Math.abs(stepSeconds) > CLOCK_STEP_SECONDS) {
    findings.push(
      found({
        code: 'clock-stepped',
        severity: 'note',
        cause: `moved by ${formatNumber(stepSeconds * 1e3, 0)} ms against the monotonic clock while we looked`,
        mend: 'Joules do not mind; times in reports do. Let one program set the clock.',
      }),
    );
  }
  const isFar = maximumErrorSeconds !== undefined && maximumErrorSeconds > MAXIMUM_ERROR_SECONDS;
  if (isSynchronized === false) {
    findings.push(
      found({
        code: 'clock-unsynchronized',
        severity: 'note',
        cause: 'is not kept by NTP: prices and grid intensities may be taken of the wrong hour',
        mend: 'Start chronyd or systemd-timesyncd (in a container: on the host).',
      }),
    );
  } else if (isSynchronized === true) {
    const error =
      maximumErrorSeconds === undefined
        ? ''
        : `, off by ${formatDuration(maximumErrorSeconds)} at most`;
    findings.push(
      found({
        code: isFar ? 'clock-inexact' : 'clock',
        severity: isFar ? 'note' : 'ok',
        cause: `is kept by NTP${error}`,
        ...(isFar ? { mend: 'Ask chronyc tracking why its servers are so far away.' } : {}),
      }),
    );
  }
  return findings;
}

const STATE_THING = 'The state directory';
const late = (area: Finding['area'], thing: string): Finding => ({
  code: `${area}-late`,
  area,
  severity: 'problem',
  thing,
  cause: 'did not answer in time',
  mend: 'Is it on a network file system that hangs? Choose another --state-dir.',
});

function disk(checked: Checked<DiskFacts>): Finding[] {
  if (checked.kind === 'late') return [late('storage', STATE_THING)];
  const { path, exists, refusal, freeBytes, syncSeconds } = checked.value;
  const thing = `${STATE_THING} ${path}`;
  const found = (finding: Omit<Finding, 'area' | 'thing'>): Finding => ({
    area: 'storage',
    thing,
    ...finding,
  });
  if (refusal !== undefined) {
    return [
      found({
        code: 'state-unwritable',
        severity: 'problem',
        cause: `cannot be written (${refusal}): books would be kept in memory alone`,
        mend: 'Give --state-dir a directory that this user may write.',
      }),
    ];
  }
  const free = freeBytes === undefined ? '' : `, ${sizeInWords(freeBytes)} free`;
  const state = `${exists ? 'may be written' : 'can be made when it is needed'}${free}`;
  if (freeBytes !== undefined && freeBytes < SCARCE_BYTES) {
    return [
      found({
        code: freeBytes < FULL_BYTES ? 'disk-full' : 'disk-scarce',
        severity: freeBytes < FULL_BYTES ? 'problem' : 'note',
        cause: state,
        mend: 'Free some space, keep less (--retain-samples 1d), or choose another --state-dir.',
      }),
    ];
  }
  if (syncSeconds !== undefined && syncSeconds > SLOW_SYNC_SECONDS) {
    return [
      found({
        code: 'disk-slow',
        severity: 'note',
        cause: `takes ${formatDuration(syncSeconds)} for a durable write`,
        mend: 'Flush less often (--flush-seconds 10), or choose another --state-dir.',
      }),
    ];
  }
  return [found({ code: 'state', severity: 'ok', cause: state })];
}

const sizeInWords = (bytes: number): string =>
  bytes >= SCARCE_BYTES
    ? `${formatNumber(bytes / (1024 * MEBIBYTE), 0)} GiB`
    : `${formatNumber(bytes / MEBIBYTE, 0)} MiB`;

function ledger(checked: Checked<LedgerFacts | Refusal>): Finding[] {
  const thing = 'The stored runs';
  if (checked.kind === 'late') return [late('storage', thing)];
  const { value } = checked;
  if ('message' in value) {
    const mend = 'Let this user read it, or choose another --state-dir.';
    const { message: cause } = value;
    return [{ code: 'runs-unreadable', area: 'storage', severity: 'problem', thing, cause, mend }];
  }
  const { runCount, interruptedIds } = value;
  if (interruptedIds.length === 0) {
    const cause = `number ${runCount}, none of them interrupted`;
    return [{ code: 'runs', area: 'storage', severity: 'ok', thing, cause }];
  }
  const named = interruptedIds.slice(0, NAMED_RUNS).join(', ');
  const more = interruptedIds.length > NAMED_RUNS ? ', …' : '';
  return [
    {
      code: 'runs-interrupted',
      area: 'storage',
      severity: 'note',
      thing,
      cause: `${interruptedIds.length} of ${runCount} have open books though their Wattmeter died (${named}${more})`,
      mend: 'wattmeter recover',
    },
  ];
}

function calibrations({ count, error }: CalibrationFacts): Finding[] {
  const thing = 'Calibrations';
  if (error !== undefined) {
    const mend = 'Until then every GPU is measured with the uncertainty of its kind.';
    const code = 'calibrations-unreadable';
    return [{ code, area: 'storage', severity: 'problem', thing, cause: error, mend }];
  }
  if (count === 0) return [];
  const cause = `of ${count} board${count === 1 ? '' : 's'} are in use`;
  return [{ code: 'calibrations', area: 'storage', severity: 'ok', thing, cause }];
}

function port(checked: Checked<PortFacts>): Finding[] {
  if (checked.kind === 'late') {
    const mend = 'Choose another --web.listen-address.';
    const cause = 'could not be tried in time';
    const thing = 'The listen address';
    return [{ code: 'port-late', area: 'network', severity: 'problem', thing, cause, mend }];
  }
  const { address, state, cause: why } = checked.value;
  const found = (finding: Omit<Finding, 'area' | 'thing'>): Finding => ({
    area: 'network',
    thing: address,
    ...finding,
  });
  switch (state) {
    case 'free':
      return [found({ code: 'port-free', severity: 'ok', cause: 'is free for an agent' })];
    case 'wattmeter':
      return [found({ code: 'port-wattmeter', severity: 'ok', cause: 'is served by a Wattmeter' })];
    case 'taken':
    case 'refused':
      return [
        found({
          code: state === 'taken' ? 'port-taken' : 'port-refused',
          severity: 'problem',
          cause:
            state === 'taken'
              ? 'is taken by another program'
              : `cannot be listened on (${why ?? 'no cause given'})`,
          mend: 'Stop that program, or choose another --web.listen-address.',
        }),
      ];
  }
}

function config({ path, error }: ConfigFacts): Finding[] {
  const area = 'configuration';
  const thing = path ?? 'A config file';
  if (error !== undefined) {
    const mend = 'Mend that line: every other command ends with this error.';
    return [{ code: 'config-invalid', area, severity: 'problem', thing, cause: error, mend }];
  }
  const cause = path === undefined ? 'is not there, nor needed' : 'is valid';
  return [
    { code: path === undefined ? 'config-none' : 'config', area, severity: 'ok', thing, cause },
  ];
}
