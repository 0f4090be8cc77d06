// What the run's emissions cost society: tonnes × a price per tonne, on its own line, beside the cost and never in it.

import { figure } from './figure.ts';
import type { Report, ReportSocial } from './report.ts';
import { endsOf, exact, scaledBy, times, together, type Spread } from './spread.ts';

/** The price of a tonne of CO₂e, and who says so. */
export interface SocialPrice {
  readonly perTonne: Spread;
  /** ISO 4217. */
  readonly currency: string;
  readonly source: string;
}

const GRAMS_PER_TONNE = 1e6;

/** Everything that the report says was emitted, by name; empty where the carbon of the run itself is not known. */
function emissionsOf(report: Report): readonly (readonly [string, Spread])[] {
  const { carbon, embodied, data, acquisition, labelling } = report;
  if ('missing' in carbon) return [];
  const part = (
    name: string,
    grams: number | undefined,
    { lowGrams, highGrams }: { readonly lowGrams?: number; readonly highGrams?: number } = {},
  ): readonly (readonly [string, Spread])[] =>
    grams === undefined
      ? []
      : [[name, { low: lowGrams ?? grams, mid: grams, high: highGrams ?? grams }]];
  return [
    ['electricity', exact(carbon.locationBasedGrams)],
    ...part('hardware', embodied?.embodiedGrams),
    ...part('data', data?.locationBasedGrams),
    ...part('acquisition', acquisition?.locationBasedGrams, acquisition),
    ...part('labelling', labelling?.locationBasedGrams, labelling),
  ];
}

/** The social cost; undefined where carbon is not known. Always an assumption: nobody can measure it. */
export function socialOf(report: Report, price: SocialPrice): ReportSocial | undefined {
  const parts = emissionsOf(report);
  if (parts.length === 0) return undefined;
  const grams = together(parts.map(([, spread]) => spread));
  const cost = scaledBy(times(grams, price.perTonne), 1 / GRAMS_PER_TONNE);
  return {
    socialCost: figure(cost.mid),
    ...endsOf(cost, 'lowSocialCost', 'highSocialCost'),
    currency: price.currency,
    costPerTonne: figure(price.perTonne.mid),
    ...endsOf(price.perTonne, 'lowCostPerTonne', 'highCostPerTonne'),
    emissionsGrams: figure(grams.mid),
    emissionsParts: parts.map(([name]) => name),
    provenance: 'assumed',
    source: price.source,
  };
}

/** The price that a report's social cost stands on. */
export const socialPriceOf = (social: ReportSocial): SocialPrice => ({
  perTonne: {
    low: social.lowCostPerTonne ?? social.costPerTonne,
    mid: social.costPerTonne,
    high: social.highCostPerTonne ?? social.costPerTonne,
  },
  currency: social.currency,
  source: social.source,
});
