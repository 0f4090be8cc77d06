import { describe, expect, test } from 'vitest';

import { widthOf } from '../../agent/display/line.ts';
import { formatFindings } from '../../agent/insight/doctor-text.ts';
import { diagnose, hasProblem, type DoctorFacts } from '../../agent/insight/doctor.ts';
import { healthy, lookedAt, withCounter } from './doctor-facts.ts';

const known = <T>(value: T) => ({ kind: 'known', value }) as const;
const unpainted = (text: string): string => text;

/** Facts with one thing changed. */
type Change = Partial<DoctorFacts>;
const look = (change: Partial<DoctorFacts['look']>): Change => ({
  look: { ...healthy.look, ...change },
});
const driver = (change: Partial<DoctorFacts['driver']>): Change => ({
  driver: { ...healthy.driver, ...change },
});
const clock = (change: Partial<DoctorFacts['clock']>): Change => ({
  clock: { ...healthy.clock, ...change },
});
const disk = (change: object): Change => ({
  disk: known({ path: '/var/lib/wattmeter', exists: true, freeBytes: 50e9, ...change }),
});
const shut = (use: 'nvidia' | 'rapl' | 'hwmon'): Change => ({
  access: healthy.access.map((one) => (one.use === use ? { ...one, isOpen: false } : one)),
});
const refusal = (reason: string) => ({ reason, message: `It says ${reason}.` });
const port = (state: 'wattmeter' | 'taken' | 'refused'): Change => ({
  ports: [known({ address: ':10360', state })],
});
const unseen = look({ outcome: 'failed', failure: refusal('driver-not-loaded'), devices: [] });

const CASES: readonly (readonly [string, Change, 'note' | 'problem'])[] = [
  ['nothing-measured', unseen, 'problem'],
  ['nothing-measured', look({ outcome: 'silent', devices: [] }), 'problem'],
  ['driver-hangs', look({ outcome: 'silent', devices: [], isStuck: true }), 'problem'],
  ['driver-hangs', look({ isStuck: true }), 'problem'],
  ['measuring', look({ devices: [] }), 'problem'],
  ['nvml-library-missing', driver({ nvml: refusal('library-missing') }), 'note'],
  [
    'nvml-version-mismatch',
    { ...unseen, ...driver({ nvml: refusal('version-mismatch') }) },
    'problem',
  ],
  [
    'nvidia-smi-hangs',
    driver({ nvidiaSmi: { kind: 'refused', ...refusal('timeout') } }),
    'problem',
  ],
  [
    'nvidia-smi-fails',
    driver({ nvidiaSmi: { kind: 'refused', ...refusal('not-installed') } }),
    'note',
  ],
  ['nvidia-nodes-shut', shut('nvidia'), 'problem'],
  ['nvidia-nodes-missing', { access: [] }, 'problem'],
  ['rapl-shut', shut('rapl'), 'note'],
  ['hwmon-shut', shut('hwmon'), 'note'],
  ['no-reading', look({ devices: [withoutPower()] }), 'problem'],
  [
    'sensor-part-time',
    look({
      devices: [
        lookedAt(
          { hasCounter: false },
          {
            sensor: {
              field: 'instant',
              windowSeconds: 0.025,
              periodSeconds: 0.1,
              origin: 'table',
            },
          },
        ),
      ],
    }),
    'note',
  ],
  ['counter-missing', look({ devices: [lookedAt({ hasCounter: false })] }), 'note'],
  ['counter-disagrees', look({ devices: [withCounter(2600)] }), 'note'],
  ['counter-disagrees', look({ devices: [withCounter(800)] }), 'note'],
  ['mig', look({ devices: [lookedAt({ isMigOn: true })] }), 'note'],
  ['persistence-off', look({ devices: [lookedAt({ isPersistenceOn: false })] }), 'note'],
  ['gpu-xid', look({ devices: [lookedAt({}, { xidErrors: { 79: 1 } })] }), 'problem'],
  ['gpu-xid', look({ devices: [lookedAt({}, { xidErrors: { 31: 5 } })] }), 'note'],
  ...[
    'no-power-sensor',
    'gpu-unavailable',
    'machine-meter-left-out',
    'tpu-power-unknown',
    'readings-dropped',
    'what-nobody-has-seen-yet',
  ].map((code) => [code, look({ warnings: [{ code, message: 'It is so.' }] }), 'note'] as const),
  [
    'counter-covers-module',
    look({ warnings: [{ code: 'counter-covers-module', message: 'It does.' }] }),
    'note',
  ],
  ['read-slow', look({ readSeconds: [0.01, 0.2] }), 'note'],
  ['own-cpu-high', look({ cpuRatio: 0.4 }), 'note'],
  ['fault-gpu-lost', look({ faults: [{ source: 'nvml', ...refusal('gpu-lost') }] }), 'problem'],
  ['clock-stepped', clock({ stepSeconds: -0.5 }), 'note'],
  ['clock-unsynchronized', clock({ isSynchronized: false }), 'note'],
  ['clock-inexact', clock({ maximumErrorSeconds: 16 }), 'note'],
  ['state-unwritable', disk({ refusal: 'EACCES' }), 'problem'],
  ['disk-scarce', disk({ freeBytes: 500e6 }), 'note'],
  ['disk-full', disk({ freeBytes: 1e6 }), 'problem'],
  ['disk-slow', disk({ syncSeconds: 3 }), 'note'],
  ['storage-late', { disk: { kind: 'late' } }, 'problem'],
  ['storage-late', { ledger: { kind: 'late' } }, 'problem'],
  ['runs-unreadable', { ledger: known(refusal('unreadable')) }, 'problem'],
  ['runs-interrupted', { ledger: known({ runCount: 3, interruptedIds: ['a', 'b'] }) }, 'note'],
  ['calibrations-unreadable', { calibrations: { count: 0, error: 'It is torn.' } }, 'problem'],
  ['port-taken', port('taken'), 'problem'],
  ['port-refused', port('refused'), 'problem'],
  ['port-late', { ports: [{ kind: 'late' }] }, 'problem'],
  ['config-invalid', { config: { path: 'w.yml', error: 'w.yml:1: not YAML.' } }, 'problem'],
];

function withoutPower() {
  const device = lookedAt();
  const { powerWatts: _none, ...snapshot } = device.snapshot;
  return { ...device, snapshot };
}

describe('diagnose()', () => {
  test('finds nothing to complain of on a healthy machine, and says what it looked at', () => {
    const findings = diagnose(healthy);
    expect(findings.filter(({ severity }) => severity !== 'ok')).toEqual([]);
    expect(findings.map(({ code }) => code)).toEqual([
      'measuring',
      'library',
      'nvidia-smi',
      'nvidia-nodes',
      'rapl',
      'hwmon',
      'sensor',
      'counter-agrees',
      'persistence',
      'read-time',
      'own-cpu',
      'clock',
      'state',
      'runs',
      'calibrations',
      'port-free',
      'config',
    ]);
  });

  test.each(CASES)('says %s (case %#) with its mend', (code, change, severity) => {
    const findings = diagnose({ ...healthy, ...change });
    const found = findings.find((finding) => finding.code === code);
    expect(found).toMatchObject({ severity });
    expect(found?.mend).toMatch(/\S/);
    expect(hasProblem(findings)).toBe(findings.some((one) => one.severity === 'problem'));
    if (severity === 'problem') expect(hasProblem(findings)).toBe(true);
  });

  test('does not call a small difference of counter and readings over a short look a contradiction', () => {
    const findings = diagnose({ ...healthy, ...look({ devices: [withCounter(1600)] }) });
    expect(findings.map(({ code }) => code)).toContain('counter-agrees');
  });

  test('misses no NVIDIA library where something else is measured and nothing is NVIDIA’s', () => {
    const findings = diagnose({
      ...healthy,
      access: [],
      driver: {
        nvml: refusal('library-missing'),
        nvidiaSmi: { kind: 'refused', ...refusal('not-installed') },
      },
    });
    expect(findings.filter(({ severity }) => severity !== 'ok')).toEqual([]);
  });

  test('does not advise to run by hand what is not installed', () => {
    const absent = { kind: 'refused', ...refusal('not-installed') } as const;
    const findings = diagnose({ ...healthy, ...driver({ nvidiaSmi: absent }) });
    const mend = findings.find(({ code }) => code === 'nvidia-smi-fails')?.mend;
    expect(mend).toMatch(/^Install the NVIDIA driver/);
    expect(mend).not.toContain('by hand');
  });

  test('does not say twice what source and device both know', () => {
    const findings = diagnose({
      ...healthy,
      ...look({
        devices: [lookedAt({ isMigOn: true })],
        warnings: [{ code: 'mig', message: 'GPU 0 is split.' }],
      }),
    });
    expect(findings.filter(({ code }) => code === 'mig')).toHaveLength(1);
  });

  test('says where every refresh is read from the driver’s ring', () => {
    const findings = diagnose({
      ...healthy,
      ...look({ devices: [lookedAt({ readsRing: true })] }),
    });
    expect(findings.find(({ code }) => code === 'sensor')?.cause).toMatch(/ring of samples/);
  });

  test('does not blame a driver for the pace of a recording', () => {
    const findings = diagnose({
      ...healthy,
      ...look({ source: 'replay', readSeconds: [5, 5] }),
    });
    expect(findings.map(({ code }) => code)).not.toContain('read-slow');
  });
});

describe('formatFindings()', () => {
  test.each(CASES)('keeps %s (case %#) within 80 columns', (_code, change) => {
    const text = formatFindings(diagnose({ ...healthy, ...change }), unpainted);
    for (const line of text.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(80);
  });

  test('says alike findings of many GPUs once', () => {
    const devices = Array.from({ length: 64 }, (_, index) =>
      lookedAt({ isPersistenceOn: false }, {}, index),
    ).map((device, index) => ({
      ...device,
      snapshot: { ...device.snapshot, device: { ...device.snapshot.device, index } },
    }));
    const text = formatFindings(diagnose({ ...healthy, ...look({ devices }) }), unpainted);
    expect(text).toContain('and 61 more:');
    expect(text.split('\n').length).toBeLessThan(60);
  });

  test('counts what it says', () => {
    const text = formatFindings(diagnose({ ...healthy, ...port('taken') }), unpainted);
    expect(text).toMatch(/PROBLEM {2}:10360 is taken/);
    expect(text).toMatch(/> Stop that program/);
    expect(text.trimEnd().split('\n').at(-1)).toBe('1 problem, 0 notes, 16 ok.');
  });

  test('lets no name move the cursor', () => {
    const device = lookedAt();
    const nasty = {
      ...device,
      snapshot: {
        ...device.snapshot,
        device: { ...device.snapshot.device, model: 'evil\u001B[2Jname' },
      },
    };
    const text = formatFindings(diagnose({ ...healthy, ...look({ devices: [nasty] }) }), unpainted);
    expect(text).not.toContain('\u001B');
  });
});
