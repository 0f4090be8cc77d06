// The program on a real pseudo-terminal, and without one.

import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

import { describe, expect, test } from 'vitest';

import { widthOf } from '../../agent/display/line.ts';
import { binaryPath } from '../binary.ts';
import { Terminal } from '../run/terminal.ts';
import { nvidiaSmiDouble } from '../source/double.ts';
import { needProgram } from '../system-program.ts';

const TRACE = resolve(import.meta.dirname, '../../fixtures/simulated-training-4gpu.csv.gz');
const replayed = ['--source', 'replay', '--trace', TRACE, '--state-dir', '/nonexistent'];

/** Puts a size on the pseudo-terminal, then runs top on it. */
const onScreen = (columns: number, rows: number, ...options: readonly string[]): string =>
  [
    `stty cols ${columns} rows ${rows} &&`,
    `TERM=xterm-256color exec ${process.execPath} ${binaryPath} top`,
    ...options,
  ].join(' ');

const ENTERED = /\[\?1049h/;
const LEFT = /\[\?25h.*\[\?1049l/;

describe('wattmeter top', () => {
  test('takes the screen, draws the GPUs of a recording, and gives it back at q', async (context) => {
    needProgram(context, 'script');
    await using terminal = new Terminal(onScreen(100, 30, ...replayed), process.env);
    await terminal.shows(ENTERED);
    await terminal.shows(/a recording, not this machine/);
    await terminal.shows(/Power.* of 2,800 W/);
    await terminal.shows(/3 {2}Simulated GPU 700 W +\d+\/700 W/);
    terminal.type('q');
    await terminal.shows(LEFT);
    // What was measured stays below, on the ordinary screen.
    await terminal.shows(/ s · .* W · .* ± .* J/);
    expect(await terminal.ended()).toBe(0);
  });

  test.each([
    ['Ctrl-C', '\u0003'],
    ['Escape', '\u001B'],
  ])('ends at %s too', async (_name, key) => {
    await using terminal = new Terminal(onScreen(80, 24, ...replayed), process.env);
    await terminal.shows(/q quits/);
    terminal.type(key);
    await terminal.shows(LEFT);
    expect(await terminal.ended()).toBe(0);
  });

  test('keeps to a small screen', async (context) => {
    needProgram(context, 'script');
    await using terminal = new Terminal(onScreen(40, 12, ...replayed), {
      ...process.env,
      NO_COLOR: '1',
    });
    await terminal.shows(/\[H/);
    const [picture] = await terminal.shows(/wattmeter top[^]*?\[J/);
    const lines = picture.split(/\r*\n/).map((line) => stripVTControlCharacters(line));
    expect(lines.length).toBeLessThanOrEqual(12);
    for (const line of lines) expect(widthOf(line.replace(/\[J$/, ''))).toBeLessThanOrEqual(40);
    terminal.type('q');
    expect(await terminal.ended()).toBe(0);
  });

  test('writes plain lines where stdout is no terminal, and ends well at a signal', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'wattmeter-top-'));
    const { env } = nvidiaSmiDouble(folder, {});
    const args = [binaryPath, 'top', '--source', 'nvidia-smi', '--every-seconds', '0.5'];
    const { code, stdout } = await new Promise<{ code: unknown; stdout: string }>((done) => {
      const child = execFile(process.execPath, args, { env }, (error, text) =>
        done({ code: error?.code ?? error?.signal ?? 0, stdout: text }),
      );
      let seen = '';
      child.stdout?.on('data', (text: string) => {
        seen += text;
        if (seen.split('\n').length > 6) child.kill('SIGINT');
      });
    });
    expect(code).toBe(0);
    expect(stdout).not.toContain('\u001B');
    expect(stdout).toMatch(/ · 100\.0 W · .* J/);
    expect(stdout.split('\n').length).toBeGreaterThan(6);
  });

  test('says in one line that there is no GPU, before it takes the screen', async () => {
    const { code, stdout, stderr } = await new Promise<{
      code: unknown;
      stdout: string;
      stderr: string;
    }>((done) => {
      const env = { ...process.env, PATH: '/nonexistent' };
      execFile(process.execPath, [binaryPath, 'top'], { env }, (error, out, err) =>
        done({ code: error?.code ?? 0, stdout: out, stderr: err }),
      );
    });
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^wattmeter: No GPU can be measured: [^\n]*wattmeter doctor[^\n]*\n$/);
  });
});
