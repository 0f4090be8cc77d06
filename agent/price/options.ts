// What the reader of a tariff file is told besides the text, and the notes that every kind of tariff shares. Pure.

import { InputError } from '../input-error.ts';
import { isTimeZone } from '../local-time.ts';
import type { Warning } from '../model.ts';
import type { Schedule } from '../schedule.ts';
import type { GapPolicy } from '../series.ts';
import type { Instant } from '../units.ts';
import { checkedCurrency } from './flat.ts';
import type { Tariff } from './tariff.ts';

/** How to read a tariff file. */
export interface TariffOptions {
  /** For messages, and as the tariff's `source`. */
  readonly fileName: string;
  /** The clock that the file's hours are told by, unless it names its own. */
  readonly timeZone: string;
  /** Whether `timeZone` was given (`--tariff-time-zone`) or is only the machine's. */
  readonly timeZoneGiven?: boolean;
  /** ISO 4217, where given: another currency in the file is then an error, never converted. */
  readonly currency?: string;
  readonly priceGap?: GapPolicy;
  /** Power of the rest of the site in kW: readSiteLoad. */
  readonly siteLoadKilowatts?: Schedule;
  /** When the system peaked, for coincident demand. */
  readonly coincidentPeaks?: readonly Instant[];
}

/** The file's zone, or the given one. @throws InputError unknown zone */
export function zoneOf(named: string | undefined, options: TariffOptions): string {
  const zone = named ?? options.timeZone;
  if (isTimeZone(zone)) return zone;
  throw new InputError(
    options.fileName,
    `the time zone "${zone}" is unknown`,
    'Write an IANA name such as Europe/Berlin or UTC',
  );
}

/** The file's currency, or the given one; USD is never guessed. @throws InputError unknown, missing or contradicted */
export function currencyOf(named: string | undefined, options: TariffOptions): string {
  const own = currencyIfSaid(named, options);
  if (own !== undefined) return own;
  throw new InputError(
    options.fileName,
    'it does not say its currency',
    'Write currency: EUR in it, or give --currency',
  );
}

/** The file's currency, or the given one; undefined where nobody says it. @throws InputError unknown or contradicted */
export function currencyIfSaid(
  named: string | undefined,
  options: TariffOptions,
): string | undefined {
  const given = options.currency === undefined ? undefined : known(options.currency, options);
  const own = named === undefined ? given : known(named, options);
  if (given !== undefined && given !== own) {
    throw new InputError(
      options.fileName,
      `its prices are in ${own}, not in ${given}`,
      `Leave --currency out or give ${own}; currencies are never converted`,
    );
  }
  return own;
}

function known(code: string, options: TariffOptions): string {
  try {
    return checkedCurrency(code);
  } catch {
    throw new InputError(
      options.fileName,
      `the currency "${code}" is no ISO 4217 code`,
      'Write three letters such as USD, EUR or INR',
    );
  }
}

/** Says in whose time the hours are told where the file does not. */
export function zoneNotes(named: string | undefined, options: TariffOptions): Warning[] {
  if (named !== undefined || options.timeZoneGiven === true) return [];
  return [
    {
      code: 'tariff-time-zone-assumed',
      message: `${options.fileName} names no time zone: its hours are told in ${options.timeZone} (assumed; --tariff-time-zone).`,
    },
  ];
}

/** Says that the rest of the site was taken as 0 where that matters. */
export function siteNotes(
  tariff: Pick<Tariff, 'tiers' | 'demand'>,
  options: TariffOptions,
): Warning[] {
  const matters = tariff.tiers !== undefined || (tariff.demand ?? []).length > 0;
  if (!matters || options.siteLoadKilowatts !== undefined) return [];
  return [
    {
      code: 'site-load-assumed',
      message: `${options.fileName} charges by the month's energy or peaks: the rest of the site is taken as 0 kW (assumed; --site-load).`,
    },
  ];
}
