import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { describe, expect, test, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';

import { startTestExporter } from '../exporter/client.ts';
import { startPrometheusServer } from '../prometheus/prometheus-server.ts';
import { needProgram } from '../system-program.ts';

const root = resolve(import.meta.dirname, '../../deploy/prometheus');
const configs = readdirSync(root).filter((name) => name.endsWith('.yml'));
const relabeling = z.looseObject({
  source_labels: z.array(z.string()),
  regex: z.string().optional(),
  target_label: z.string().optional(),
  action: z.string().optional(),
});
const config = z.looseObject({
  rule_files: z.array(z.string()),
  scrape_configs: z.tuple([
    z.looseObject({ job_name: z.string(), relabel_configs: z.array(relabeling) }),
  ]),
});
const read = (name: string) => config.parse(parse(readFileSync(join(root, name), 'utf8')));

function checkConfig(promtool: string, path: string): { ok: boolean; output: string } {
  const { status, stdout, stderr } = spawnSync(promtool, ['check', 'config', path], {
    encoding: 'utf8',
  });
  return { ok: status === 0, output: stdout + stderr };
}

/** Checks a changed copy, whose relative paths are the original's. */
function checkCopy(promtool: string, content: unknown): { ok: boolean; output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'wattmeter-config-'));
  try {
    const path = join(folder, 'prometheus.yml');
    const text = stringify(content).replaceAll('../../exporter', resolve(root, '../../exporter'));
    writeFileSync(path, text);
    return checkConfig(promtool, path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('the scrape configurations', () => {
  test('are the three that there are', () => {
    expect(configs).toEqual(['file-sd.yml', 'kubernetes.yml', 'static.yml']);
  });

  test.for(['static.yml', 'file-sd.yml'])(
    '%s is valid to promtool, with its rules',
    (name, context) => {
      const promtool = needProgram(context, 'promtool');
      const { ok, output } = checkConfig(promtool, join(root, name));
      expect(ok, output).toBe(true);
      expect(output).toContain('2 rule files found');
    },
  );

  // Debian builds Prometheus without Kubernetes, so the discovery is checked here and all the rest by promtool.
  test('kubernetes.yml is valid to promtool but for the discovery, which asks for pods', (context) => {
    const promtool = needProgram(context, 'promtool');
    const { scrape_configs: scrapes, ...rest } = read('kubernetes.yml');
    const { kubernetes_sd_configs: discovery, ...scrape } = scrapes[0];
    expect(discovery).toEqual([{ role: 'pod', namespaces: { names: ['wattmeter'] } }]);
    const { ok, output } = checkCopy(promtool, { ...rest, scrape_configs: [scrape] });
    expect(ok, output).toBe(true);
    const wrong = { ...rest, scrape_configs: [{ ...scrape, relabel_config: [] }] };
    expect(checkCopy(promtool, wrong).ok).toBe(false);
  });

  test.each(configs)('%s makes the node the instance, in a job that the alerts know', (name) => {
    const [scrape] = read(name).scrape_configs;
    expect(scrape.job_name).toMatch(/wattmeter/);
    expect(scrape.relabel_configs.map(({ target_label: target }) => target)).toContain('instance');
  });
});

test('a Prometheus with the static configuration names a node without its port', async (context) => {
  const program = needProgram(context, 'prometheus');
  await using exporter = await startTestExporter();
  const target = `127.0.0.1:${String(exporter.addresses[0]?.port)}`;
  const { rule_files: _rules, scrape_configs: scrapes } = read('static.yml');
  const scrape = {
    ...scrapes[0],
    static_configs: [{ targets: [target] }],
    scrape_interval: '1s',
    scrape_timeout: '1s',
  };
  const folder = mkdtempSync(join(tmpdir(), 'wattmeter-scrape-'));
  try {
    const text = stringify({ scrape_configs: [scrape] });
    await using server = await startPrometheusServer(program, folder, text);
    await vi.waitFor(
      async () => {
        const found = await server.query('wattmeter_gpu_power_watts', Date.now() / 1000);
        expect(found.map(({ labels }) => labels['instance'])).toEqual(['127.0.0.1', '127.0.0.1']);
      },
      { timeout: 40_000, interval: 250 },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
