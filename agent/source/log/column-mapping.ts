// `--columns time=…,power=…,gpu=…`: what the user says about a log whose headers nobody could guess.

import { SourceError } from '../source.ts';

/** What a column can be told to be. */
export const COLUMN_ROLES = [
  'time',
  'date',
  'clock',
  'power',
  'instant',
  'average',
  'counter',
  'gpu',
] as const;
export type ColumnRole = (typeof COLUMN_ROLES)[number];

/** Role → the column's title, or its number from 1; a unit may follow in brackets: `power_w [mW]`. */
export type ColumnMapping = Partial<Readonly<Record<ColumnRole, string>>>;

const isRole = (text: string): text is ColumnRole =>
  (COLUMN_ROLES as readonly string[]).includes(text);

/**
 * Reads the value of `--columns`.
 *
 * @throws {SourceError} fatal, when a part is not `role=column`, or a role comes twice.
 */
export function parseColumnMapping(text: string): ColumnMapping {
  const mapping: Partial<Record<ColumnRole, string>> = {};
  for (const part of text.split(',')) {
    const at = part.indexOf('=');
    const role = part.slice(0, Math.max(0, at)).trim();
    const column = part.slice(at + 1).trim();
    if (!isRole(role) || column === '') {
      throw new SourceError(
        `--columns has "${part.trim()}", which is no role=column: the roles are ${COLUMN_ROLES.join(', ')}; a column is its title or its number from 1.`,
        { fate: 'fatal', reason: 'bad-columns' },
      );
    }
    if (mapping[role] !== undefined) {
      throw new SourceError(
        `--columns names ${role} twice: "${mapping[role]}" and "${column}". A row is a reading of one GPU; name one column.`,
        { fate: 'fatal', reason: 'bad-columns' },
      );
    }
    mapping[role] = column;
  }
  return mapping;
}
