import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { describe, expect, test } from 'vitest';
import { z } from 'zod';

const root = resolve(import.meta.dirname, '../..');
const instructions = readFileSync(join(root, 'deploy/container/Containerfile'), 'utf8')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => ({ name: line.split(' ')[0] ?? '', words: line.split(/\s+/).slice(1) }));
const stageStarts = instructions.flatMap(({ name }, position) =>
  name === 'FROM' ? [position] : [],
);
const [build, final] = [instructions.slice(0, stageStarts[1]), instructions.slice(stageStarts[1])];
const only = (stage: typeof instructions, name: string): string[][] =>
  stage.filter((one) => one.name === name).map(({ words }) => words);

describe('the Containerfile', () => {
  test('builds in one stage and runs in another, from images with a version', () => {
    expect(stageStarts).toHaveLength(2);
    for (const [image = ''] of only(instructions, 'FROM')) {
      expect(image).toMatch(/^[a-z0-9.]+\/.+:[\w.-]+$/);
      expect(image).not.toMatch(/:latest$/);
    }
    expect(only(final, 'FROM')[0]?.[0]).toBe('gcr.io/distroless/nodejs20-debian12:nonroot');
  });

  test('runs nothing as root, and no shell in the image that is shipped', () => {
    expect(only(final, 'USER')).toEqual([['65532:65532']]);
    expect(only(final, 'RUN')).toEqual([]);
    expect(only(final, 'ADD')).toEqual([]);
  });

  test('copies what is there, and no file of the tests', () => {
    const sources = only(build, 'COPY').flatMap((words) => words.slice(0, -1));
    expect(sources.length).toBeGreaterThan(0);
    for (const source of sources) expect(existsSync(join(root, source)), source).toBe(true);
    expect(sources).not.toContain('.');
  });

  test('ships the program that package.json names, and starts the agent where its documents say', () => {
    const { bin } = z
      .object({ bin: z.object({ wattmeter: z.string() }) })
      .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
    const command = z.array(z.string()).parse(JSON.parse(only(final, 'CMD')[0]?.join(' ') ?? ''));
    expect(command[0]).toBe(join('/app', bin.wattmeter));
    expect(command[1]).toBe('agent');
    expect(command.join(' ')).toContain(`:${only(final, 'EXPOSE')[0]?.[0] ?? ''}`);
    const folders = only(final, 'COPY').map((words) => words.at(-1));
    expect(folders).toEqual(expect.arrayContaining(['bin', 'dist', 'fixtures', 'node_modules']));
  });
});
