// What Google says of the grids behind its regions: its own figures, hence those of the region rather than the country.
// Operational emissions of generation, without the life cycle of plants and fuels: not comparable with lifecycle figures.

/** Whose figures these are. */
export const GOOGLE_DATASET = 'Google region-carbon-info';
/** The calendar year of the figures. */
export const GOOGLE_YEAR = 2024;

/**
 * Average grid intensity of 2024, g CO₂e/kWh, by region of Google Cloud
 * (github.com/GoogleCloudPlatform/region-carbon-info, "Grid carbon intensity").
 */
export const GOOGLE_GRAMS_PER_KILOWATT_HOUR: Readonly<Record<string, number>> = {
  'africa-south1': 656.85,
  'asia-east1': 439.29,
  'asia-east2': 505.02,
  'asia-northeast1': 452.85,
  'asia-northeast2': 296.19,
  'asia-northeast3': 356.57,
  'asia-south1': 678.76,
  'asia-south2': 531.83,
  'asia-southeast1': 366.85,
  'asia-southeast2': 560.55,
  'australia-southeast1': 497.5,
  'australia-southeast2': 454.37,
  'europe-central2': 642.88,
  'europe-north1': 39.32,
  'europe-north2': 2.73,
  'europe-southwest1': 89.04,
  'europe-west1': 103.37,
  'europe-west2': 105.94,
  'europe-west3': 275.82,
  'europe-west4': 208.81,
  'europe-west6': 15.05,
  'europe-west8': 201.69,
  'europe-west9': 16.3,
  'europe-west10': 275.82,
  'europe-west12': 201.69,
  'me-central1': 366,
  'me-central2': 382.23,
  'me-west1': 433.75,
  'northamerica-northeast1': 5.48,
  'northamerica-northeast2': 58.56,
  'northamerica-south1': 305,
  'southamerica-east1': 67.32,
  'southamerica-west1': 238,
  'us-central1': 412.72,
  'us-central2': 372.23,
  'us-east1': 575.77,
  'us-east2': 340.42,
  'us-east4': 323.05,
  'us-east5': 323.05,
  'us-south1': 302.95,
  'us-west1': 79.23,
  'us-west2': 169.28,
  'us-west3': 555.17,
  'us-west4': 357.3,
};
