import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { chromium, type BrowserContext, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi, type TestContext } from 'vitest';

import { instant, watts } from '../../agent/units.ts';
import type { Exporter } from '../../exporter/server.ts';
import { distPath } from '../binary.ts';
import { findProgram, needProgram } from '../system-program.ts';
import { FakePort, someGpu, someSnapshot, someSource } from './a-snapshot.ts';
import { startTestExporter, urlOf } from './client.ts';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const PATIENCE = { timeout: 20_000, interval: 50 };

let profile = '';
let browser: BrowserContext | undefined;

beforeAll(async () => {
  const executablePath = findProgram('chromium');
  if (executablePath === undefined) return;
  profile = mkdtempSync(join(tmpdir(), 'wattmeter-chromium-'));
  browser = await chromium.launchPersistentContext(profile, { executablePath, args: FLAGS });
});
afterAll(async () => {
  await browser?.close();
  if (profile !== '') rmSync(profile, { recursive: true, force: true });
});

interface Open extends AsyncDisposable {
  readonly page: Page;
  readonly snapshots: FakePort;
  readonly exporter: Exporter;
  /** Console errors, exceptions, refused policies and requests to elsewhere. */
  readonly complaints: string[];
  text(id: string): Promise<string>;
}

async function openDashboard(context: TestContext, snapshots: FakePort): Promise<Open> {
  needProgram(context, 'chromium');
  if (browser === undefined) throw new Error('chromium did not start');
  const exporter = await startTestExporter({
    snapshots,
    dashboardDirectory: resolve(distPath, 'exporter/dashboard'),
  });
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(urlOf(exporter)) && !url.startsWith('data:')) complaints.push(url);
  });
  await page.clock.install();
  await page.goto(urlOf(exporter, '/'));
  return {
    page,
    snapshots,
    exporter,
    complaints,
    text: async (id) => ((await page.textContent(`#${id}`)) ?? '').replaceAll('\u202f', ' '),
    async [Symbol.asyncDispose]() {
      await page.close();
      await exporter[Symbol.asyncDispose]();
    },
  };
}

const shows = (open: Open, id: string, text: string): Promise<void> =>
  vi.waitFor(async () => expect(await open.text(id)).toContain(text), PATIENCE);

describe('the dashboard', () => {
  test('shows the figures of the snapshot, and nothing from elsewhere', async (context) => {
    await using open = await openDashboard(context, new FakePort(someSnapshot()));
    await shows(open, 'power-value', '626');
    expect(await open.text('power-note')).toContain('2 of 2 GPUs reporting');
    expect(await open.text('energy-value')).toBe('685.9');
    expect(await open.text('energy-uncertainty')).toBe('± 4.8 Wh');
    expect(await open.text('cost-value')).toBe('0.1866');
    expect(await open.text('cost-unit')).toBe('EUR');
    expect(await open.text('cost-note')).toContain('0.25 EUR/kWh now, day and night');
    expect(await open.text('cost-note')).toMatch(/PUE 1\.1$/);
    expect(await open.text('carbon-value')).toBe('263');
    expect(await open.text('carbon-note')).toContain('344 g/kWh, DEU, location-based');
    expect(await open.text('energy-provenance')).toBe('measured');
    const rows = await open.page.locator('#gpu-rows tr').allTextContents();
    expect(rows).toHaveLength(2);
    expect(rows[0]).toContain('NVIDIA A100-SXM4-80GB');
    expect(await open.text('source-rows')).toContain('nvml');
    expect(await open.page.locator('#chart canvas').count()).toBe(1);
    expect(await open.page.title()).toContain('626');
    expect(open.complaints).toEqual([]);
  });

  test('says that a PUE is assumed where nobody gave one', async (context) => {
    const snapshot = someSnapshot({
      powerUsageEffectiveness: 1,
      powerUsageEffectivenessProvenance: 'assumed',
    });
    await using open = await openDashboard(context, new FakePort(snapshot));
    await shows(open, 'cost-note', 'PUE 1 (assumed)');
  });

  test('follows each publication', async (context) => {
    await using open = await openDashboard(context, new FakePort(someSnapshot()));
    await shows(open, 'power-value', '626');
    open.snapshots.publish(
      someSnapshot({
        takenSeconds: instant(1_780_000_002),
        devices: [someGpu(0, { powerWatts: watts(123) })],
      }),
    );
    await shows(open, 'power-value', '123');
    expect(await open.page.locator('#gpu-rows tr').count()).toBe(1);
    expect(open.complaints).toEqual([]);
  });

  test('shows an unknown as a dash with its reason, never as 0', async (context) => {
    const { powerWatts: _power, ...silent } = someGpu(0, { gauges: {} });
    const { price: _price, grid: _grid, ...bare } = someSnapshot({ devices: [silent] });
    await using open = await openDashboard(context, new FakePort(bare));
    await shows(open, 'power-note', '0 of 1 GPUs reporting');
    for (const id of ['power-value', 'cost-value', 'carbon-value'])
      expect(await open.text(id)).toBe('–');
    expect(await open.text('cost-note')).toContain('--price');
    expect(await open.text('carbon-note')).toContain('--zone');
    expect(await open.page.locator('#gpu-rows td').first().textContent()).toContain('no reading');
    expect(await open.page.locator('#cost-provenance').isVisible()).toBe(false);
  });

  test('waits for the first sample and says so', async (context) => {
    await using open = await openDashboard(context, new FakePort());
    await shows(open, 'state', 'Waiting for the first sample');
    open.snapshots.publish(someSnapshot());
    await shows(open, 'state', 'Live');
  });

  test('says that a recording is a recording', async (context) => {
    await using open = await openDashboard(context, new FakePort(someSnapshot({ live: false })));
    await shows(open, 'state', 'Replay');
    expect(await open.page.locator('#replay').isVisible()).toBe(true);
    open.snapshots.publish(someSnapshot());
    await shows(open, 'state', 'Live');
    expect(await open.page.locator('#replay').isVisible()).toBe(false);
  });

  test('says loudly when figures stop coming', async (context) => {
    await using open = await openDashboard(context, new FakePort(someSnapshot()));
    await shows(open, 'state', 'Live');
    await open.page.clock.fastForward(30_000);
    await shows(open, 'state', 'Stale');
    expect(await open.text('alarm')).toContain('what you see is old');
    expect(await open.page.getByRole('alert').isVisible()).toBe(true);
    open.snapshots.publish(someSnapshot());
    await shows(open, 'state', 'Live');
    expect(await open.page.getByRole('alert').isVisible()).toBe(false);
  });

  test('says loudly when Wattmeter is gone', async (context) => {
    await using open = await openDashboard(context, new FakePort(someSnapshot()));
    await shows(open, 'state', 'Live');
    await open.exporter[Symbol.asyncDispose]();
    await vi.waitFor(async () => {
      await open.page.clock.fastForward(6000);
      expect(await open.text('state')).toBe('Disconnected');
    }, PATIENCE);
    expect(await open.text('alarm')).toContain('Connection to Wattmeter lost');
  });

  test('says loudly when a source is down', async (context) => {
    const sources = [someSource({ up: false, errorsByReason: { timeout: 12 } })];
    await using open = await openDashboard(context, new FakePort(someSnapshot({ sources })));
    await shows(open, 'state', 'Source down');
    expect(await open.text('alarm')).toContain('nvml cannot be read now');
    expect(await open.text('source-rows')).toContain('12 timeout');
  });

  test('does not run what a name contains', async (context) => {
    const model = '<img src=x onerror=alert(1)><b>bold</b>';
    const devices = [someGpu(0, { device: { ...someGpu(0).device, model } })];
    await using open = await openDashboard(context, new FakePort(someSnapshot({ devices })));
    await shows(open, 'gpu-rows', model);
    expect(await open.page.locator('#gpu-rows img, #gpu-rows b').count()).toBe(0);
    expect(open.complaints).toEqual([]);
  });

  test.for([400, 768, 1400])('fits a screen of %d pixels', async (width, context) => {
    const devices = Array.from({ length: 8 }, (_gpu, index) => someGpu(index));
    await using open = await openDashboard(context, new FakePort(someSnapshot({ devices })));
    await open.page.setViewportSize({ width, height: 900 });
    await shows(open, 'state', 'Live');
    await vi.waitFor(async () => {
      expect(await open.page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    }, PATIENCE);
  });

  test('changes to the total by keyboard', async (context) => {
    await using open = await openDashboard(context, new FakePort(someSnapshot()));
    await shows(open, 'state', 'Live');
    const total = open.page.getByRole('button', { name: 'Total' });
    await total.focus();
    await open.page.keyboard.press('Enter');
    expect(await total.getAttribute('aria-pressed')).toBe('true');
    await vi.waitFor(async () => {
      expect(await open.page.locator('.u-legend').textContent()).toContain('All GPUs that report');
    }, PATIENCE);
  });

  test('is dark or light as the reader prefers', async (context) => {
    await using open = await openDashboard(context, new FakePort(someSnapshot()));
    const ground = (): Promise<string> =>
      open.page.evaluate('getComputedStyle(document.body).backgroundColor');
    await open.page.emulateMedia({ colorScheme: 'light' });
    const light = await ground();
    await open.page.emulateMedia({ colorScheme: 'dark' });
    expect(await ground()).not.toBe(light);
    expect(open.complaints).toEqual([]);
  });
});
