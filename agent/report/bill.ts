// The part of a report that changes with prices, grid and PUE: kept with a run's books, so that a report under others can
// say what changed.

import { present } from './present.ts';
import type { Report, ReportBill } from './report.ts';

/** The bill of a report. */
export function billOf({ energy, cost, carbon, water }: Report): ReportBill {
  return {
    energy: present({
      facilityJoules: energy.facilityJoules,
      powerUsageEffectiveness: energy.powerUsageEffectiveness,
      powerUsageEffectivenessProvenance: energy.powerUsageEffectivenessProvenance,
    }),
    cost: present({
      currency: cost.currency,
      energyCost: cost.energyCost,
      pricePerKilowattHourMean: cost.pricePerKilowattHourMean,
      tariff: cost.tariff,
      otherCosts: cost.otherCosts,
      runCost: cost.runCost,
      missing: cost.missing,
    }),
    carbon:
      'missing' in carbon
        ? { missing: carbon.missing }
        : present({
            locationBasedGrams: carbon.locationBasedGrams,
            marketBasedGrams: carbon.marketBasedGrams,
            intensityGramsPerKilowattHourMean: carbon.intensityGramsPerKilowattHourMean,
            zone: carbon.zone,
            dataset: carbon.dataset,
            vintage: carbon.vintage,
          }),
    ...present({ waterLitres: water?.waterLitres }),
  };
}
