// A scheduler's own word on which job has which GPU: a directory with a file per GPU whose lines are job ids, in the
// format of dcgm-exporter's --hpc-job-mapping-dir. Prologs write it, epilogs take it away.

import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { Device } from '../model.ts';

/** What reading the directory came to. */
export type JobMappingState =
  | { readonly kind: 'read'; readonly fileCount: number }
  | { readonly kind: 'unreadable'; readonly message: string };

/** The newest mapping. */
export interface JobMapping {
  /** Reads the directory anew; where that fails the mapping says nothing. Never rejects. */
  refresh(): Promise<JobMappingState>;
  /** The jobs on a GPU; empty when nothing is said of it. */
  jobsOf(device: Pick<Device, 'index' | 'uuid'>): readonly string[];
}

// `0`, `0.1` (a MIG instance of GPU 0), or a UUID.
const FILE_NAME = /^(?:(\d+)(?:\.\d+)?|GPU-[\w-]+)$/;
const MAX_FILES = 1024;
const MAX_FILE_BYTES = 65_536;

/** Creates a mapping over a directory; nothing is read until the first refresh. */
export function createJobMapping(directory: string): JobMapping {
  let jobs: ReadonlyMap<string, readonly string[]> = new Map();
  return {
    async refresh() {
      try {
        const names = (await readdir(directory)).filter((name) => FILE_NAME.test(name));
        jobs = await readJobs(directory, names.slice(0, MAX_FILES));
        return { kind: 'read', fileCount: names.length };
      } catch (error) {
        jobs = new Map();
        const why = error instanceof Error ? error.message : String(error);
        return {
          kind: 'unreadable',
          message: `Cannot read the job mapping ${directory}: ${why}. Does it exist, and may Wattmeter read it?`,
        };
      }
    },
    jobsOf: ({ index, uuid }) => jobs.get(uuid) ?? jobs.get(String(index)) ?? [],
  };
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
