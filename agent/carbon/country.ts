// Names and codes of countries, ISO 3166-1: from what a user types to the key of a data set. Pure.

// The package's index also loads 350 KB of subdivisions.
import { iso31661 } from 'iso-3166/1.js';

/** A country by its codes. */
export interface Country {
  readonly alpha2: string;
  readonly alpha3: string;
  readonly name: string;
}

// Not in ISO 3166-1; both codes are user-assigned and in general use, and grid data sets have the zone.
const KOSOVO: Country = { alpha2: 'XK', alpha3: 'XKX', name: 'Kosovo' };

const countries: readonly Country[] = [...iso31661, KOSOVO];

/** The country of a two- or three-letter code, in any case. */
export function countryOf(code: string): Country | undefined {
  const wanted = code.trim().toUpperCase();
  return countries.find(({ alpha2, alpha3 }) => alpha2 === wanted || alpha3 === wanted);
}

/** Countries whose name holds `text`, or whose three-letter code is a slip of the finger away: what was perhaps meant. */
export function countriesLike(text: string): readonly Country[] {
  const wanted = text.trim().toLowerCase();
  if (wanted.length > 3) return countries.filter(({ name }) => name.toLowerCase().includes(wanted));
  return countries.filter(({ alpha3 }) => oneSlipOff(alpha3, wanted.toUpperCase()));
}

/** One letter differs, or two have changed places. */
function oneSlipOff(code: string, wanted: string): boolean {
  if (code.length !== wanted.length) return false;
  const different = Array.from(code).filter((letter, position) => letter !== wanted[position]);
  const swapped = different.length === 2 && different.every((letter) => wanted.includes(letter));
  return different.length === 1 || swapped;
}
