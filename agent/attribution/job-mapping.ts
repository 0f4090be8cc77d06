// A scheduler's own word on which job has which GPU: a directory with a file per GPU whose lines are job ids, in the
// format of dcgm-exporter's --hpc-job-mapping-dir. Prologs write it, epilogs take it away.

import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { Device } from '../model.ts';

/** What reading the directory came to. */
export type JobMappingState =
  | { readonly kind: 'read'; readonly fileCount: number }
  /** The reading before has not come back yet. */
  | { readonly kind: 'waiting' }
  | { readonly kind: 'unreadable'; readonly message: string };

/** The newest mapping. */
export interface JobMapping {
  /** Reads the directory anew; where that fails, or hangs, the mapping says nothing. Never rejects. */
  refresh(): Promise<JobMappingState>;
  /** The jobs on a GPU; empty when nothing is said of it. */
  jobsOf(device: Pick<Device, 'index' | 'uuid'>): readonly string[];
}

// `0`, `0.1` (a MIG instance of GPU 0), or a UUID.
const FILE_NAME = /^(?:(\d+)(?:\.\d+)?|GPU-[\w-]+)$/;
const MAX_FILES = 1024;
const MAX_FILE_BYTES = 65_536;

// A directory of another machine may be slow; after so many readings that fell out its word is of the past.
const MAX_MISSED = 10;

type Jobs = ReadonlyMap<string, readonly string[]>;

/** Creates a mapping over a directory; nothing is read until the first refresh. */
export function createJobMapping(
  directory: string,
  read: (directory: string) => Promise<{ jobs: Jobs; fileCount: number }> = readDirectory,
): JobMapping {
  let jobs: Jobs = new Map();
  let isReading = false;
  let missed = 0;
  const unreadable = (why: string): JobMappingState => {
    jobs = new Map();
    const message = `Cannot read the job mapping ${directory}: ${why}. Does it exist, and may Wattmeter read it?`;
    return { kind: 'unreadable', message };
  };
  return {
    async refresh() {
      // A directory that hangs may hold one of Node's few threads and no more: the ledger writes with the same.
      if (isReading) {
        missed += 1;
        return missed < MAX_MISSED ? { kind: 'waiting' } : unreadable('it does not answer');
      }
      isReading = true;
      try {
        const { fileCount, ...found } = await read(directory);
        jobs = found.jobs;
        return { kind: 'read', fileCount };
      } catch (error) {
        return unreadable(error instanceof Error ? error.message : String(error));
      } finally {
        isReading = false;
        missed = 0;
      }
    },
    jobsOf: ({ index, uuid }) => jobs.get(uuid) ?? jobs.get(String(index)) ?? [],
  };
}

async function readDirectory(directory: string): Promise<{ jobs: Jobs; fileCount: number }> {
  const names = (await readdir(directory)).filter((name) => FILE_NAME.test(name));
  return { jobs: await readJobs(directory, names.slice(0, MAX_FILES)), fileCount: names.length };
}

async function readJobs(
  directory: string,
  names: readonly string[],
): Promise<Map<string, string[]>> {
  const jobs = new Map<string, string[]>();
  for (const name of names.toSorted()) {
    // Jobs of a GPU's instances are the GPU's: it has one power sensor.
    const gpu = FILE_NAME.exec(name)?.[1] ?? name;
    const listed = [...(jobs.get(gpu) ?? []), ...(await readIds(join(directory, name)))];
    jobs.set(gpu, [...new Set(listed)]);
  }
  return jobs;
}

async function readIds(path: string): Promise<string[]> {
  try {
    const facts = await stat(path);
    // A pipe in its place would be waited for without end.
    if (!facts.isFile() || facts.size > MAX_FILE_BYTES) return [];
    return (await readFile(path, 'utf8')).split(/\s+/).filter((id) => id !== '');
  } catch {
    // The epilog has just taken it away.
    return [];
  }
}
