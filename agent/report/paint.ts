// Colour of the text report, only where it is asked for.

const RESET = '\u001B[0m';
const CODES = { strong: '\u001B[1m', faint: '\u001B[2m', alarm: '\u001B[33m' } as const;

/** How a piece of text stands out. */
type Emphasis = keyof typeof CODES;

/** Puts emphasis on text; the identity without colour. */
export type Paint = (text: string, emphasis: Emphasis) => string;

/** The paint of a terminal, or none. */
export const paintOf =
  (colour: boolean): Paint =>
  (text, emphasis) =>
    colour && text !== '' ? `${CODES[emphasis]}${text}${RESET}` : text;
