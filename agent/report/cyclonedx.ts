// The report as a CycloneDX 1.6 bill of materials: the model's card with its energyConsumptions (ECMA-424).

import { present } from './present.ts';
import type { Report } from './report.ts';
import { supplierOf } from './words.ts';

const ACTIVITIES: readonly string[] = [
  'design',
  'data-collection',
  'data-preparation',
  'training',
  'fine-tuning',
  'validation',
  'deployment',
  'inference',
  'other',
];
const GRAMS_PER_TONNE = 1e6;

/** A property of ours; none where the value is unknown. */
const property = (
  name: string,
  value: string | number | undefined,
): readonly { name: string; value: string }[] =>
  value === undefined ? [] : [{ name: `wattmeter:${name}`, value: String(value) }];

/** What the activity was: the run's label `activity`, else training. */
function activityOf({ run }: Report): string {
  const label = run.labels['activity'];
  return label !== undefined && ACTIVITIES.includes(label) ? label : 'training';
}

/** One consumption; none where the energy is unknown, because the standard has no word for that. */
function consumptionsOf(report: Report): object[] {
  const { carbon, compute } = report;
  if (compute.energyKilowattHours === undefined) return [];
  const measure = { value: compute.energyKilowattHours, unit: 'kWh' };
  const tonnes = 'missing' in carbon ? undefined : carbon.locationBasedGrams / GRAMS_PER_TONNE;
  const consumption = present({
    activity: activityOf(report),
    energyProviders: [
      {
        description: 'missing' in carbon ? 'grid zone not given' : `grid zone ${carbon.zone}`,
        organization: { name: supplierOf(report) },
        energySource: 'unknown',
        energyProvided: measure,
      },
    ],
    activityEnergyCost: measure,
    co2CostEquivalent: tonnes === undefined ? undefined : { value: tonnes, unit: 'tCO2eq' },
    properties: propertiesOf(report),
  });
  return [consumption];
}

const propertiesOf = ({ energy, carbon }: Report): object[] => [
  ...property('gpuJoules', energy.gpuJoules),
  ...property('modelledJoules', energy.modelledJoules),
  ...property('gpuUncertaintyJoules', energy.gpuUncertaintyJoules),
  ...property('hostJoules', energy.hostJoules),
  ...property('hostProvenance', energy.hostProvenance),
  ...property('coverageRatio', energy.coverageRatio),
  ...property('powerUsageEffectiveness', energy.powerUsageEffectiveness),
  ...property('powerUsageEffectivenessProvenance', energy.powerUsageEffectivenessProvenance),
  ...('missing' in carbon
    ? property('carbonMissing', carbon.missing)
    : property('carbonDataset', `${carbon.dataset}, ${carbon.vintage}`)),
];

/** A BOM with one machine-learning model, to be merged into the model's own. */
export function formatCycloneDx(report: Report): string {
  const { run, generatedAt, wattmeterVersion } = report;
  const bom = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      timestamp: generatedAt,
      tools: {
        components: [{ type: 'application', name: 'wattmeter', version: wattmeterVersion }],
      },
    },
    components: [
      {
        type: 'machine-learning-model',
        name: run.name ?? run.id,
        modelCard: {
          considerations: {
            environmentalConsiderations: { energyConsumptions: consumptionsOf(report) },
          },
        },
      },
    ],
  };
  return `${JSON.stringify(bom, undefined, 2)}\n`;
}
