// One line of a journal: `CRC-32 SEQUENCE JSON`, the checksum over everything after it. Text, so that a journal can be
// read with a pager; checked, so that no torn or rotten line is ever taken for a measurement.

import { crc32 } from 'node:zlib';

const CHECKSUM_CHARACTERS = 8;
const SPACE = 0x20;
const BODY = CHECKSUM_CHARACTERS + 1;
const SEQUENCE = /^(0|[1-9]\d{0,15}) /;

/** A line that passed its checksum. */
export interface Frame {
  readonly sequence: number;
  readonly record: unknown;
}

/** The line of a record, newline included; `json` holds no newline because JSON escapes it. */
export function encodeFrame(sequence: number, json: string): Buffer {
  const body = `${sequence} ${json}`;
  return Buffer.from(`${checksumOf(body)} ${body}\n`);
}

/** Reads a line without its newline; undefined when it is not exactly what was written. */
export function decodeFrame(line: Buffer): Frame | undefined {
  if (line.length <= BODY || line[CHECKSUM_CHARACTERS] !== SPACE) return undefined;
  const body = line.subarray(BODY);
  if (line.toString('latin1', 0, CHECKSUM_CHARACTERS) !== checksumOf(body)) return undefined;
  const text = body.toString('utf8');
  const sequence = SEQUENCE.exec(text)?.[1];
  if (sequence === undefined) return undefined;
  try {
    return { sequence: Number(sequence), record: JSON.parse(text.slice(sequence.length + 1)) };
  } catch {
    return undefined;
  }
}

const checksumOf = (body: string | Buffer): string =>
  crc32(body).toString(16).padStart(CHECKSUM_CHARACTERS, '0');
