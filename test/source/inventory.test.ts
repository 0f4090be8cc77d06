// readGpuInventory() over every generation of nvidia-smi's XML, and over an nvidia-smi that fails.

import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

import { afterAll, describe, expect, test } from 'vitest';

import { readHostFacts } from '../../agent/source/host-facts.ts';
import { readGpuInventory, type GpuInventory } from '../../agent/source/inventory.ts';
import { corpusPath, corpusPresent } from '../corpus.ts';
import { isAlive, nvidiaSmiDouble } from './double.ts';
import { temporaryFolder } from './reading.ts';

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

const signal = (): AbortSignal => new AbortController().signal;

/** An nvidia-smi that prints one file. */
function printing(file: string): Promise<GpuInventory[]> {
  writeFileSync(join(folder.path, 'nvidia-smi'), `#!/bin/sh\ncat '${file}'\n`);
  chmodSync(join(folder.path, 'nvidia-smi'), 0o755);
  const PATH = [folder.path, dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter);
  return readGpuInventory({ signal: signal(), env: { ...process.env, PATH } });
}

const captures = corpusPresent
  ? readdirSync(corpusPath('nvidia-smi/xml')).filter((name) => name.endsWith('.xml'))
  : [];

describe.skipIf(!corpusPresent)('readGpuInventory() on captures of others', () => {
  test.each(captures)('reads %s: each GPU once, its limits, never its module’s', async (name) => {
    const file = corpusPath('nvidia-smi/xml', name);
    const gpus = await printing(file);
    const xml = readFileSync(file, 'utf8');

    expect(gpus).toHaveLength(xml.match(/<gpu id=/g)?.length ?? 0);
    for (const gpu of gpus) {
      expect(gpu.model).toMatch(/\w/);
      expect(gpu.pciBusId).toMatch(/^[0-9a-f]{8}:[0-9a-f]{2}:[0-9a-f]{2}\.\d$/i);
      // GB200's module is allowed 2,500 W, its GPU 1,200.
      expect(gpu.ratedPowerWatts ?? 1).toBeLessThanOrEqual(1200);
      expect(gpu.powerLimitWatts ?? 1).toBeLessThanOrEqual(1200);
    }
  });

  test.each([
    ['qx-h100.xml', { ratedPowerWatts: 700, powerLimitWatts: 700, driverVersion: '580.105.08' }],
    ['rtx-3090-v12.xml', { ratedPowerWatts: 350, powerLimitWatts: 200 }],
    ['rtx-3080-v12.xml', { ratedPowerWatts: 320, powerLimitWatts: 336 }],
    ['tesla-t4.xml', { ratedPowerWatts: 70, powerLimitWatts: 70 }],
    ['gtx-1660-ti.xml', { ratedPowerWatts: 130, driverVersion: '418.43' }],
    ['qx-gb200.xml', { ratedPowerWatts: 1200 }],
  ])('%s has the facts that its text shows', async (name, facts) => {
    const [first] = await printing(corpusPath('nvidia-smi/xml', name));
    expect(first).toMatchObject(facts);
  });

  test('knows MIG, and leaves out what an old driver does not say', async () => {
    const [mig] = await printing(corpusPath('nvidia-smi/xml/a100-sxm4-v12.xml'));
    expect(mig?.isMigModeOn).toBe(true);
    const [old] = await printing(corpusPath('nvidia-smi/xml/gtx-1070-ti.xml'));
    expect(old).not.toHaveProperty('ratedPowerWatts');
    expect(old).not.toHaveProperty('driverVersion');
  });
});

describe('readGpuInventory()', () => {
  test('asks the nvidia-smi on PATH', async () => {
    const { env } = nvidiaSmiDouble(folder.path, { gpus: [{}, { migMode: 'Enabled' }] });
    const gpus = await readGpuInventory({ signal: signal(), env });
    expect(gpus).toMatchObject([
      { index: 0, model: 'Simulated GPU', ratedPowerWatts: 350, powerLimitWatts: 300 },
      { index: 1, isMigModeOn: true, isPersistenceModeOn: true, memoryTotalBytes: 25_769_803_776 },
    ]);
  });

  test('kills the whole group of an nvidia-smi that hangs, and says so', async () => {
    const double = nvidiaSmiDouble(folder.path, { faults: [{ kind: 'inventory-hang' }] });
    const asked = readGpuInventory({ signal: signal(), env: double.env, deadlineSeconds: 2 });
    await expect(asked).rejects.toMatchObject({ reason: 'timeout' });
    const pids = double.log().map(({ pid }) => pid);
    expect(pids).toHaveLength(1);
    await expect.poll(() => pids.some(isAlive)).toBe(false);
  });

  test.each([
    [9, 'driver-not-loaded'],
    [15, 'gpu-lost'],
  ])('explains exit code %i', async (code, reason) => {
    const { env } = nvidiaSmiDouble(folder.path, { faults: [{ kind: 'inventory-exit', code }] });
    await expect(readGpuInventory({ signal: signal(), env })).rejects.toMatchObject({ reason });
  });

  test('says when there is no nvidia-smi, and when it prints something else', async () => {
    const env = { PATH: [dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter) };
    await expect(readGpuInventory({ signal: signal(), env })).rejects.toMatchObject({
      reason: 'not-installed',
    });
    const file = join(folder.path, 'other.xml');
    writeFileSync(file, '<html><body>Hello</body></html>');
    await expect(printing(file)).rejects.toMatchObject({ reason: 'malformed' });
  });
});

test('readHostFacts() names the machine', async () => {
  const facts = await readHostFacts();
  expect(facts.hostName).toMatch(/\S/);
  expect(facts.memoryTotalBytes).toBeGreaterThan(1e8);
  expect(facts.cpuCores ?? 1).toBeGreaterThanOrEqual(1);
});
