// The rows of what was given and not measured: acquisition, labelling, and what the emissions cost society.

import { formatMass, formatMoney, formatRatio } from '../display/quantity.ts';
import { energyAndMass, rangeInWords, type Figure } from './figure-row.ts';
import type { Report } from './report.ts';
import { labelled } from './words.ts';

/** What was given and not measured: acquisition, labelling, and what the emissions cost society. */
export function givenRows({ acquisition, labelling, social }: Report): Figure[] {
  const rows: Figure[] = [];
  if (acquisition !== undefined) {
    const { energyKilowattHours, locationBasedGrams, source, provenance } = acquisition;
    const value = energyAndMass(energyKilowattHours, locationBasedGrams);
    rows.push({ label: 'Data acquisition', value, note: labelled(source, provenance) });
  }
  if (labelling !== undefined) {
    const { energyKilowattHours, locationBasedGrams, labellingCost, currency } = labelling;
    const [value = 'not given', ...rest] = [
      labellingCost === undefined ? '' : formatMoney(labellingCost, currency),
      energyKilowattHours === undefined
        ? ''
        : energyAndMass(energyKilowattHours, locationBasedGrams),
    ].filter((part) => part !== '');
    const note = labelled([...rest, labelling.source].join('; '), labelling.provenance);
    rows.push({ label: 'Labelling', value, note });
  }
  if (social !== undefined) {
    const { socialCost, currency, costPerTonne, emissionsGrams, emissionsParts } = social;
    const range = rangeInWords(social.lowSocialCost, social.highSocialCost, currency);
    const base = `${formatMass(emissionsGrams)} (${emissionsParts.join(', ')}) × ${formatRatio(costPerTonne)} ${currency}/t`;
    const note = `beside the cost, never in it${range}; ${base}, ${social.source}`;
    rows.push({
      label: 'Social cost',
      value: formatMoney(socialCost, currency),
      note: labelled(note, social.provenance),
    });
  }
  return rows;
}
