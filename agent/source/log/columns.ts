// From a header to the columns that matter: which cell is the time, which are power, which say whose row it is.

import type { PowerField } from '../../model.ts';
import { SourceError } from '../source.ts';
import { joulesPerUnit, wattsPerUnit } from './cell.ts';
import { COLUMN_ROLES, type ColumnMapping, type ColumnRole } from './column-mapping.ts';
import {
  BRACKETED_UNIT,
  meaningOf,
  plainTitle,
  type FactName,
  type Meaning,
  type Title,
} from './titles.ts';

/** A column of power. */
export interface PowerColumn {
  readonly field: PowerField;
  readonly at: number;
  readonly title: string;
  readonly wattsPerUnit: number;
  /** Its unit was given by the user, so that the size of its values is believed. */
  readonly isUnitSure: boolean;
}

/** Where to find what in a row. */
export interface Columns {
  readonly count: number;
  readonly timeAt: number;
  /** Set when the time of day stands in a column of its own; `timeAt` is then the date. */
  readonly clockAt?: number;
  readonly power: readonly PowerColumn[];
  readonly counter?: { readonly at: number; readonly joulesPerUnit: number };
  readonly monotonicAt?: number;
  readonly statusAt?: number;
  readonly uuidAt?: number;
  readonly indexAt?: number;
  readonly facts: Partial<Readonly<Record<FactName, number>>>;
}

interface Draft {
  timeAt?: number;
  dateAt?: number;
  clockAt?: number;
  uuidAt?: number;
  indexAt?: number;
  monotonicAt?: number;
  statusAt?: number;
  counter?: { readonly at: number; readonly joulesPerUnit: number };
  readonly power: Map<PowerField, PowerColumn>;
  readonly facts: Partial<Record<FactName, number>>;
}

function addMeaning(draft: Draft, meaning: Meaning, title: Title, text: string, at: number): void {
  switch (meaning.kind) {
    case 'time':
      draft.timeAt ??= at;
      return;
    case 'date':
      draft.dateAt ??= at;
      return;
    case 'uuid':
      draft.uuidAt ??= at;
      return;
    case 'index':
      draft.indexAt ??= at;
      return;
    case 'monotonic':
      draft.monotonicAt ??= at;
      return;
    case 'status':
      draft.statusAt ??= at;
      return;
    case 'counter':
      draft.counter ??= { at, joulesPerUnit: joulesPerUnit(title.unit ?? 'mJ') ?? 1e-3 };
      return;
    case 'power':
      if (!draft.power.has(meaning.field)) {
        draft.power.set(meaning.field, powerColumn(meaning.field, title, text, at, false));
      }
      return;
    case 'fact':
      // `enforced.power.limit` is the limit in force and beats `power.limit`, wherever it stands.
      if (title.plain === 'enforced_power_limit') draft.facts[meaning.fact] = at;
      else draft.facts[meaning.fact] ??= at;
      return;
  }
}

function powerColumn(
  field: PowerField,
  title: Title,
  text: string,
  at: number,
  isUnitSure: boolean,
): PowerColumn {
  const scale = wattsPerUnit(title.unit ?? 'W') ?? 1;
  return { field, at, title: text.trim(), wattsPerUnit: scale, isUnitSure };
}

/** The mapped column's position; a number counts from 1 where no title is that number. */
function locate(file: string, titles: readonly string[], role: ColumnRole, column: string): number {
  const wanted = column.trim().toLowerCase();
  const exact = titles.findIndex((title) => title.trim().toLowerCase() === wanted);
  if (exact !== -1) return exact;
  const { plain } = plainTitle(column.includes('[') ? column : wanted);
  const similar = titles.findIndex(
    (title) => plainTitle(title).plain === plain || title.trim().toLowerCase() === plain,
  );
  if (similar !== -1) return similar;
  const position = Number(column.replace(BRACKETED_UNIT, '')) - 1;
  if (Number.isInteger(position) && position >= 0 && position < titles.length) return position;
  throw new SourceError(
    `Cannot read ${file}: --columns ${role}=${column} names no column of it. It has: ${titles.map((title) => title.trim()).join(', ')}.`,
    { fate: 'fatal', reason: 'no-such-column' },
  );
}

function addMapped(draft: Draft, role: ColumnRole, column: string, text: string, at: number): void {
  const given = BRACKETED_UNIT.exec(column)?.[1];
  const title = { plain: column, unit: given ?? plainTitle(text).unit };
  switch (role) {
    case 'time':
      draft.timeAt = at;
      delete draft.dateAt;
      return;
    case 'date':
      draft.dateAt = at;
      return;
    case 'clock':
      draft.clockAt = at;
      return;
    case 'gpu':
      draft.indexAt = at;
      delete draft.uuidAt;
      return;
    case 'counter':
      draft.counter = { at, joulesPerUnit: joulesPerUnit(title.unit ?? 'mJ') ?? 1e-3 };
      return;
    case 'power':
    case 'instant':
    case 'average': {
      const field = role === 'power' ? 'draw' : role;
      draft.power.set(field, powerColumn(field, title, text, at, given !== undefined));
      return;
    }
  }
}

/**
 * The columns of a header, with the user's mapping over it.
 *
 * @throws {SourceError} fatal, when there is no time, no power and no counter, or a mapped column is not there.
 */
export function columnsOf(
  file: string,
  titles: readonly string[],
  mapping: ColumnMapping,
): Columns {
  const draft: Draft = { power: new Map(), facts: {} };
  // A power column that the user chose is the only one: the others may be of something else.
  const choosesPower = ['power', 'instant', 'average'].some((role) => role in mapping);
  for (const [at, text] of titles.entries()) {
    const title = plainTitle(text);
    const meaning = meaningOf(title);
    if (meaning === undefined || (choosesPower && meaning.kind === 'power')) continue;
    addMeaning(draft, meaning, title, text, at);
  }
  for (const role of COLUMN_ROLES) {
    const column = mapping[role];
    if (column === undefined) continue;
    const at = locate(file, titles, role, column);
    addMapped(draft, role, column, titles[at] ?? '', at);
  }
  return finished(file, titles, draft);
}

function finished(file: string, titles: readonly string[], draft: Draft): Columns {
  const said = titles.map((title) => title.trim()).join(', ');
  const { dateAt, timeAt, power: powerColumns, counter } = draft;
  if (powerColumns.size === 0 && counter === undefined) {
    throw new SourceError(
      `Cannot read ${file}: it has no power column among "${said}". Log power.draw too, or name the column: --columns power=TITLE.`,
      { fate: 'fatal', reason: 'no-power-column' },
    );
  }
  const clockAt = draft.clockAt ?? (dateAt === undefined ? undefined : timeAt);
  const wholeAt = dateAt ?? timeAt;
  if (wholeAt === undefined) {
    throw new SourceError(
      `Cannot read ${file}: it has no time column among "${said}", so its power cannot become energy. Log timestamp too, or name the column: --columns time=TITLE.`,
      { fate: 'fatal', reason: 'no-time-column' },
    );
  }
  return {
    count: titles.length,
    timeAt: wholeAt,
    ...(clockAt !== undefined && clockAt !== wholeAt && { clockAt }),
    power: [...powerColumns.values()],
    ...(counter !== undefined && { counter }),
    ...(draft.monotonicAt !== undefined && { monotonicAt: draft.monotonicAt }),
    ...(draft.statusAt !== undefined && { statusAt: draft.statusAt }),
    ...(draft.uuidAt !== undefined && { uuidAt: draft.uuidAt }),
    ...(draft.indexAt !== undefined && { indexAt: draft.indexAt }),
    facts: draft.facts,
  };
}
