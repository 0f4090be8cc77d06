// Every trace of the corpus is read completely: what was recorded is what comes out.

import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { logReader } from '../../agent/source/log/read-log.ts';
import { corpusPath, corpusPresent } from '../corpus.ts';
import { readAll } from './reading.ts';

const references = corpusPresent
  ? readFileSync(corpusPath('reference-energies.tsv'), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('file'))
      .map((line) => line.split('\t'))
      .map(([file = '', , samples, joules, , , duration]) => ({
        file,
        samples: Number(samples),
        joules: Number(joules),
        durationSeconds: Number(duration),
      }))
  : [];

describe.skipIf(!corpusPresent)('logReader() on recordings of others', () => {
  test.each(references)('reads $file to its $samples samples', async (reference) => {
    const log = logReader(corpusPath(reference.file), { traceTimeZone: 'Europe/London' });
    const { batches, devices } = await readAll(log.events(new AbortController().signal));

    expect(log.summary()).toMatchObject({ rows: reference.samples, malformedCount: 0 });
    expect(devices).toHaveLength(1);
    expect(batches.reduce((sum, { length }) => sum + length, 0)).toBe(reference.samples);
    const times = batches.flatMap(({ timeSeconds }) => [...timeSeconds]);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeCloseTo(reference.durationSeconds, 2);
    const powers = batches.flatMap(({ powerWatts }) => [
      ...(powerWatts.instant ?? powerWatts.draw ?? []),
    ]);
    const joules = times
      .slice(1)
      .reduce(
        (sum, time, at) =>
          sum + ((powers[at] ?? NaN) + (powers[at + 1] ?? NaN)) * 0.5 * (time - (times[at] ?? NaN)),
        0,
      );
    expect(Math.abs(joules / reference.joules - 1)).toBeLessThan(1e-4);
  });
});
