// The report as a row of CodeCarbon's emissions.csv (columns of its release 3), for tools that read that file.

import { iso31661 } from 'iso-3166';

import { csvOf } from './csv.ts';
import { sum, sumOfKnown } from './figure.ts';
import type { Report, ReportHost, ReportRegion } from './report.ts';
import { modelsInWords } from './words.ts';

const BYTES_PER_GIBIBYTE = 1024 ** 3;

type Cell = string | number | undefined;
const unknown = (): undefined => undefined;

const isMemory = ({ model, uuid }: ReportHost): boolean => /dram|memory/i.test(`${model} ${uuid}`);
const memoryOf = ({ hosts = [] }: Report): readonly ReportHost[] => hosts.filter(isMemory);
const processorsOf = ({ hosts = [] }: Report): readonly ReportHost[] =>
  hosts.filter((host) => !isMemory(host));

const powerOf = (lines: readonly { readonly powerMeanWatts?: number }[]): number | undefined =>
  sumOfKnown(lines.map(({ powerMeanWatts }) => powerMeanWatts));

// CodeCarbon multiplies each component by PUE, so that they add up to energy_consumed.
const energyOf = (
  lines: readonly { readonly facilityKilowattHours?: number }[],
): number | undefined =>
  sumOfKnown(lines.map(({ facilityKilowattHours }) => facilityKilowattHours));

const kilogramsOf = ({ carbon }: Report): number | undefined =>
  'missing' in carbon ? undefined : carbon.locationBasedGrams / 1000;

function emissionsRateOf(report: Report): number | undefined {
  const kilograms = kilogramsOf(report);
  const { durationSeconds } = report.run;
  return kilograms === undefined || durationSeconds === 0 ? undefined : kilograms / durationSeconds;
}

/** The country, where the zone is one and no grid within it. */
function countryOf({ carbon }: Report): string | undefined {
  if ('missing' in carbon) return undefined;
  const code = carbon.region?.country ?? carbon.zone;
  return /^[A-Z]{3}$/.test(code) ? code : undefined;
}

const regionOf = ({ carbon }: Report): ReportRegion | undefined =>
  'missing' in carbon ? undefined : carbon.region;

/** Over the GPUs' time in which it is known. */
function utilizationPercentOf({ devices }: Report): number | undefined {
  const known = devices.flatMap(({ idle, utilizationRatioMean: mean }) =>
    idle === undefined || mean === undefined ? [] : [{ seconds: idle.knownSeconds, mean }],
  );
  const whole = sum(known.map(({ seconds }) => seconds));
  if (whole === 0) return undefined;
  return (100 * sum(known.map(({ seconds, mean }) => seconds * mean))) / whole;
}

const COLUMNS = {
  timestamp: ({ run }) => run.endTime.slice(0, 19),
  project_name: ({ run }) => run.name ?? 'wattmeter',
  run_id: ({ run }) => run.id,
  experiment_id: ({ run }) => run.labels['experiment_id'],
  duration: ({ run }) => run.durationSeconds,
  emissions: kilogramsOf,
  emissions_rate: emissionsRateOf,
  cpu_power: (report) => powerOf(processorsOf(report)),
  gpu_power: ({ devices }) => powerOf(devices),
  ram_power: (report) => powerOf(memoryOf(report)),
  cpu_energy: (report) => energyOf(processorsOf(report)),
  gpu_energy: ({ devices }) => energyOf(devices),
  ram_energy: (report) => energyOf(memoryOf(report)),
  energy_consumed: ({ compute }) => compute.energyKilowattHours,
  water_consumed: ({ water }) => water?.waterLitres,
  country_name: (report) => iso31661.find(({ alpha3 }) => alpha3 === countryOf(report))?.name,
  country_iso_code: countryOf,
  region: unknown,
  cloud_provider: (report) => regionOf(report)?.provider,
  cloud_region: (report) => regionOf(report)?.name,
  os: ({ run }) => run.machine?.operatingSystem,
  python_version: unknown,
  codecarbon_version: ({ wattmeterVersion }) => `wattmeter ${wattmeterVersion}`,
  cpu_count: ({ run }) => run.machine?.cpuCount,
  cpu_model: ({ run }) => run.machine?.cpuModel,
  gpu_count: ({ devices }) => devices.length,
  gpu_model: ({ devices }) => modelsInWords(devices).replaceAll('×', 'x'),
  longitude: unknown,
  latitude: unknown,
  ram_total_size: ({ run }) =>
    run.machine?.memoryBytes === undefined
      ? undefined
      : run.machine.memoryBytes / BYTES_PER_GIBIBYTE,
  tracking_mode: () => 'machine',
  cpu_utilization_percent: unknown,
  gpu_utilization_percent: utilizationPercentOf,
  ram_utilization_percent: unknown,
  ram_used_gb: unknown,
  // CodeCarbon knows Y and N; who names no region may still be in a cloud.
  on_cloud: (report) => (regionOf(report) === undefined ? undefined : 'Y'),
  pue: ({ energy }) => energy.powerUsageEffectiveness,
  wue: unknown,
} satisfies Record<string, (report: Report) => Cell>;

/** Header and one row; kWh, kg and W, and an empty cell for what is unknown. */
export const formatEmissionsCsv = (report: Report): string =>
  csvOf(Object.keys(COLUMNS), [Object.values(COLUMNS).map((valueOf) => valueOf(report))]);
