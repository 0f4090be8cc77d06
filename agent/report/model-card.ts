// The report as the `co2_eq_emissions` block of a Hugging Face model card's metadata (YAML front matter).

import { stringify } from 'yaml';

import { formatEnergy } from '../display/quantity.ts';
import { InputError } from '../input-error.ts';
import { fromKilowattHours } from '../units.ts';
import { present } from './present.ts';
import type { Report, ReportCarbon } from './report.ts';
import { modelsInWords } from './words.ts';

/**
 * The carbon figure, for a form that is nothing without it.
 * @throws InputError with the reason why there is none, and the mend
 */
function carbonOrThrow({ run, carbon }: Report, form: string): ReportCarbon {
  if (!('missing' in carbon)) return carbon;
  throw new InputError(
    `Run ${run.id}`,
    `it has no carbon figure (${carbon.missing}), and a ${form} is nothing without one`,
    'Give --zone or --grid',
  );
}

const energyOf = ({ compute: { energyKilowattHours } }: Report): string =>
  energyKilowattHours === undefined
    ? 'unknown energy'
    : formatEnergy(fromKilowattHours(energyKilowattHours));

/** A part of it that nobody measured. */
const hostOf = ({ energy: { hostProvenance } }: Report): string =>
  hostProvenance === undefined || hostProvenance === 'measured' ? '' : `; host ${hostProvenance}`;

const BASIS = {
  measured: 'measured',
  modelled: 'modelled, not measured,',
  both: 'partly measured, partly modelled,',
} as const;

function basisOf({ energy }: Report): keyof typeof BASIS {
  if (energy.modelledJoules === undefined) return 'measured';
  return energy.gpuJoules === undefined ? 'modelled' : 'both';
}

/** Grams, with who says so. */
export function formatModelCard(report: Report): string {
  const { run, devices, wattmeterVersion, energy } = report;
  const carbon = carbonOrThrow(report, 'model card');
  const source =
    `${BASIS[basisOf(report)]} with Wattmeter ${wattmeterVersion}: ${energyOf(report)} ` +
    `(PUE ${energy.powerUsageEffectiveness}, ${energy.powerUsageEffectivenessProvenance}${hostOf(report)}), ` +
    `location-based, ${carbon.dataset}, ${carbon.vintage}`;
  return stringify({
    co2_eq_emissions: present({
      emissions: carbon.locationBasedGrams,
      source,
      training_type: run.labels['training_type'],
      geographical_location: carbon.zone,
      hardware_used: modelsInWords(devices).replaceAll('×', 'x'),
    }),
  });
}
