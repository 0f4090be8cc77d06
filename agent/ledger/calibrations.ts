// What a comparison with an external meter found out about each board: kept by UUID in the state directory, written by
// `doctor --calibrate`, read by every command that meters.

import { readFileSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { z } from 'zod';

import { causeOf, LedgerError } from './ledger-error.ts';
import { FILE_MODE, makeDirectory, syncDirectory, unwritable } from './state-dir.ts';

const SCHEMA = 'wattmeter.calibrations/1';
/** A steady load, as the reference meter and the board itself saw it. */
export interface CalibrationPoint {
  readonly meterWatts: number;
  readonly reportedWatts: number;
  readonly observedSeconds: number;
}

/** One board against a reference meter: reported = gain × true + offsetWatts. */
export interface Calibration {
  readonly uuid: string;
  readonly model: string;
  readonly gain: number;
  readonly offsetWatts: number;
  /** Standard uncertainties (k = 1): relative, and in watts. */
  readonly gainUncertainty: number;
  readonly offsetUncertaintyWatts: number;
  /** Accuracy of the reference meter, ± per cent of its reading, as its maker states it. */
  readonly meterPercent: number;
  /** ISO 8601, UTC. */
  readonly calibratedAt: string;
  readonly idle: CalibrationPoint;
  readonly load: CalibrationPoint;
}

const point = z.object({
  meterWatts: z.number().nonnegative(),
  reportedWatts: z.number().nonnegative(),
  observedSeconds: z.number().positive(),
});
// Bounds wider by far than any board of the study (docs/measurement.md §1): what lies outside is a mistake, not a sensor.
const calibration: z.ZodType<Calibration> = z.object({
  uuid: z.string().min(1),
  model: z.string(),
  gain: z.number().min(0.5).max(2),
  offsetWatts: z.number().min(-200).max(200),
  gainUncertainty: z.number().min(0).max(1),
  offsetUncertaintyWatts: z.number().min(0).max(1000),
  meterPercent: z.number().nonnegative(),
  calibratedAt: z.iso.datetime(),
  idle: point,
  load: point,
});

const file = z.object({ schema: z.literal(SCHEMA), calibrations: z.array(calibration) });

/** Where they are kept. */
export const calibrationsPath = (stateDirectory: string): string =>
  join(stateDirectory, 'calibrations.json');

/**
 * All of them, by UUID; none when nothing was ever calibrated.
 * @throws LedgerError `unreadable` when the file is there and cannot be read or believed.
 */
export function readCalibrations(stateDirectory: string): ReadonlyMap<string, Calibration> {
  const path = calibrationsPath(stateDirectory);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const cause = causeOf(error);
    if (cause === 'ENOENT' || cause === 'ENOTDIR') return new Map();
    throw unbelievable(path, cause, 'May you read it?');
  }
  const parsed = file.safeParse(parseJson(text));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const at = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`;
    const mend = 'Move it away and calibrate again with: wattmeter doctor --calibrate UUID';
    throw unbelievable(path, `it is not a list of calibrations${at}`, mend);
  }
  return new Map(parsed.data.calibrations.map((one) => [one.uuid, one]));
}

/**
 * Keeps one, in the place of an earlier one of the same board; the file is replaced whole or not at all.
 * @throws LedgerError `unwritable`; `unreadable` when what is there already would be lost.
 */
export async function storeCalibration(stateDirectory: string, fresh: Calibration): Promise<void> {
  const calibrations = new Map(readCalibrations(stateDirectory)).set(fresh.uuid, fresh);
  await makeDirectory(stateDirectory);
  const path = calibrationsPath(stateDirectory);
  const draft = `${path}.${process.pid}.new`;
  const content = { schema: SCHEMA, calibrations: [...calibrations.values()] };
  try {
    await using handle = await open(draft, 'w', FILE_MODE);
    await handle.writeFile(`${JSON.stringify(file.parse(content), null, 2)}\n`);
    await handle.sync();
    await rename(draft, path);
    await syncDirectory(stateDirectory);
  } catch (error) {
    await rm(draft, { force: true });
    throw unwritable(path, error);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const unbelievable = (path: string, cause: string, mend: string): LedgerError =>
  new LedgerError('unreadable', `Cannot use the calibrations in ${path}: ${cause}. ${mend}`);
