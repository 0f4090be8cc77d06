// The report that a word on the command line means: a stored run, a log, or a report file, told apart by what it holds.

import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { constants, gunzipSync } from 'node:zlib';

import { openClock } from '../clock.ts';
import { UsageError } from '../config.ts';
import { LedgerError } from '../ledger/ledger-error.ts';
import { findNamedRun, findRun } from '../ledger/runs.ts';
import type { Report } from '../report/report.ts';
import { present } from '../report/present.ts';
import { parseReport } from '../report/schema.ts';
import type { Invocation } from './command.ts';
import { withFlags } from './finished-report.ts';
import { openPricing, refreshFeeds } from './pricing.ts';
import { meterTraces } from './replay.ts';
import { reportOf, type DrawableReport } from './reporting.ts';
import { stateDirectory } from './state.ts';
import { storedReport } from './stored.ts';

/** What a report is asked for with. */
export type Asked = Pick<Invocation, 'config' | 'flagged' | 'context'>;

/** The report that a word means, without its drawing. @throws as loadDrawable */
export const loadReport = async (name: string, asked: Asked): Promise<Report> =>
  (await loadDrawable(name, asked)).report;

/**
 * The report that a word means: a run by its id or name, else a file, else a run by the beginning of its id. A path from
 * a directory on (`./gpu.csv`) is a file's.
 * @throws UsageError, SourceError, InputError, LedgerError
 */
export async function loadDrawable(name: string, asked: Asked): Promise<DrawableReport> {
  // Standard input holds a log.
  if (name === '-') return traceReport(name, asked);
  const { config, context } = asked;
  const directory = stateDirectory(config, context);
  const isFile = existsSync(name);
  const isPath = /^\.{0,2}\//.test(name);
  const id = isFile && isPath ? undefined : await idOf(directory, name, isFile);
  if (id !== undefined) return storedReport(directory, id, { context, config });
  if (isFile) return fileReport(name, asked);
  if (/[/.]/.test(name))
    throw new UsageError(
      `Cannot find ${name}: no stored run has that name, and there is no such file. Is the path right? Runs are listed by: wattmeter runs`,
    );
  return storedReport(directory, (await findRun(directory, name)).id, { context, config });
}

/** The run of that name or id; a file is read whatever is wrong with the ledger. */
async function idOf(directory: string, name: string, isFile: boolean): Promise<string | undefined> {
  try {
    return (await findNamedRun(directory, name))?.id;
  } catch (error) {
    if (isFile && error instanceof LedgerError) return undefined;
    throw error;
  }
}

async function fileReport(path: string, asked: Asked): Promise<DrawableReport> {
  const stat = statSync(path);
  if (stat.isDirectory())
    throw new UsageError(`${path} is a directory, not a log or a report. Name a file in it.`);
  // What a pipe holds can be read once: of one only its name tells.
  const isReport = stat.isFile() ? holdsObject(path) : path.endsWith('.json');
  return isReport ? { report: await finishedReport(path, asked) } : traceReport(path, asked);
}

function finishedReport(path: string, asked: Asked): Promise<Report> {
  const report = parseReport(textOf(path), basename(path));
  return withFlags(report, path, asked);
}

const HEAD_BYTES = 4096;

/** Whether a file begins as a JSON object does, packed or not: a log never does. */
const holdsObject = (path: string): boolean => /^\s*\{/.test(textOf(path, HEAD_BYTES));

/** A file's text, or its beginning, without the byte order mark that some editors put first. @throws UsageError */
const textOf = (path: string, length?: number): string =>
  unpacked(readInputBytes(path, length))
    .toString('utf8')
    .replace(/^\u{FEFF}/u, '');

/** A file, or its beginning. @throws UsageError */
function readInputBytes(path: string, length?: number): Buffer {
  try {
    if (length === undefined) return readFileSync(path);
    const file = openSync(path, 'r');
    try {
      const head = Buffer.alloc(length);
      return head.subarray(0, readSync(file, head));
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new UsageError(`Cannot read ${path} (${code}). May you read it?`);
  }
}

/** What gzip has packed, as far as it goes; everything else as it is. */
function unpacked(bytes: Buffer): Buffer {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    // Whoever reads it as a log says what is wrong with it.
    return bytes;
  }
}

async function traceReport(path: string, asked: Asked): Promise<DrawableReport> {
  const { config, context } = asked;
  const pricing = await openPricing(config, context, openClock());
  await refreshFeeds(pricing, context);
  const metered = await meterTraces([path], { config, pricing, context, speed: 'max' });
  return {
    report: reportOf(metered.books, { ...metered, config, pricing, context }),
    ...present({ profile: metered.charges.profile }),
  };
}
