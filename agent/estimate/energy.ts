// E = E_compute + E_data, and the energy of serving: the article's second model, by k·T·P or by GPU-hours. Pure.

import type { Provenance } from '../model.ts';
import type { Basis } from './basis.ts';
import type { Formula, Phase, PlannedData } from './plan.ts';
import { exactly, productOf, quotientOf, scaled, sumOf, type Range } from './range.ts';

/** Energy of one phase at the building's meter. */
export interface PhaseEnergy {
  readonly phase: Phase;
  readonly facilityKilowattHours: Range;
  readonly itKilowattHours: Range;
  readonly gpuHours?: Range;
}

/** Energy of data: moved, kept, got, or by the article's formula. */
interface DataEnergy {
  readonly label: string;
  readonly key: string;
  readonly kilowattHours: Range;
  readonly provenance: Provenance;
  readonly note?: string;
}

/** Everything the plan's energy comes to. */
export interface EnergyParts {
  readonly phases: readonly PhaseEnergy[];
  readonly compute: Range;
  readonly computeIt: Range;
  readonly gpuHours?: Range;
  readonly data: readonly DataEnergy[];
  readonly dataTotal: Range;
  /** Getting the data in the first place; beside E_data, in the impact only. */
  readonly acquisition?: Range;
  readonly deployment?: Range;
  readonly deploymentIt?: Range;
  readonly requests?: Range;
}

const WATTS_PER_KILOWATT = 1000;
/** Aslan et al. 2018 (doi:10.1111/jiec.12630): 0.06 kWh/GB in 2015, halving every two years; an allocation. */
const WAN_KILOWATT_HOURS_PER_GIGABYTE_2015 = 0.06;
/** Cloud Carbon Footprint's methodology. */
const CLOUD_KILOWATT_HOURS_PER_GIGABYTE = 0.001;
/** Cloud Carbon Footprint's methodology: watts per terabyte. */
export const STORAGE_WATTS_PER_TERABYTE = { hdd: 0.65, ssd: 1.2 } as const;
/** What bytes are kept on. */
export type StorageMedia = keyof typeof STORAGE_WATTS_PER_TERABYTE;

const TRANSFER_NOTES = {
  wan: '0.06 kWh/GB in 2015, halved every two years (Aslan 2018): an allocation of the network, not a marginal figure',
  cloud: '0.001 kWh/GB (Cloud Carbon Footprint)',
  lan: 'in the power of the machines already',
} as const;

/** All energy of a plan. */
export function energyOf(basis: Basis): EnergyParts {
  const { plan } = basis;
  const pue = basis.powerUsageEffectiveness.value;
  const phases = plan.training.map((phase) => phaseEnergy(phase, pue));
  const known = phases.flatMap((each) => (each.gpuHours === undefined ? [] : [each.gpuHours]));
  const data = plan.data === undefined ? [] : dataEnergies(plan.data, pue);
  return {
    phases,
    compute: sumOf(...phases.map((each) => each.facilityKilowattHours)),
    computeIt: sumOf(...phases.map((each) => each.itKilowattHours)),
    ...(known.length > 0 && known.length === phases.length ? { gpuHours: sumOf(...known) } : {}),
    data,
    dataTotal: sumOf(...data.map((each) => each.kilowattHours)),
    ...acquisitionOf(plan.data),
    ...servingOf(basis),
  };
}

/** The article's E = k · T · P in kWh. */
const formulaEnergy = ({ k, hours, kilowatts }: Formula): Range => productOf(k, hours, kilowatts);

/** kWh per GB moved over a path in a year; a machine's own network is part of its power. */
export function transferKilowattHoursPerGigabyte(
  path: 'wan' | 'cloud' | 'lan',
  year: number,
): number {
  switch (path) {
    case 'wan':
      return WAN_KILOWATT_HOURS_PER_GIGABYTE_2015 * 0.5 ** ((year - 2015) / 2);
    case 'cloud':
      return CLOUD_KILOWATT_HOURS_PER_GIGABYTE;
    case 'lan':
      return 0;
  }
}

/** Energy of keeping terabyte-hours, replicas counted, on disks whose building has a PUE (ECONOMICS.md §4). */
export const storageKilowattHours = (
  terabyteHours: Range,
  media: StorageMedia,
  powerUsageEffectiveness: Range,
): Range =>
  scaled(
    productOf(terabyteHours, powerUsageEffectiveness),
    STORAGE_WATTS_PER_TERABYTE[media] / WATTS_PER_KILOWATT,
  );

function phaseEnergy(phase: Phase, pue: Range): PhaseEnergy {
  switch (phase.kind) {
    case 'formula': {
      // The article's k holds everything between rated power and the meter, PUE too.
      const energy = formulaEnergy(phase);
      return {
        phase,
        facilityKilowattHours: energy,
        itKilowattHours: quotientOf(energy, pue),
        ...(phase.gpuHours === undefined ? {} : { gpuHours: phase.gpuHours }),
      };
    }
    case 'energy':
      return {
        phase,
        facilityKilowattHours: phase.energyKilowattHours,
        itKilowattHours: quotientOf(phase.energyKilowattHours, pue),
        ...(phase.gpuHours === undefined ? {} : { gpuHours: phase.gpuHours }),
      };
    case 'gpu-hours': {
      const watts = sumOf(phase.wattsPerGpu, phase.hostWattsPerGpu ?? exactly(0));
      const it = scaled(productOf(phase.gpuHours, watts), 1 / WATTS_PER_KILOWATT);
      return {
        phase,
        facilityKilowattHours: productOf(it, pue),
        itKilowattHours: it,
        gpuHours: phase.gpuHours,
      };
    }
  }
}

function dataEnergies(data: PlannedData, pue: Range): DataEnergy[] {
  const energies: DataEnergy[] = [];
  if (data.formula !== undefined) {
    energies.push({
      key: 'dataFormulaKilowattHours',
      label: 'Data, k · T · P',
      kilowattHours: formulaEnergy(data.formula),
      provenance: 'derived',
    });
  }
  if (data.transfer !== undefined) {
    const { gigabytes, path, year } = data.transfer;
    energies.push({
      key: 'dataTransferKilowattHours',
      label: `Transfer (${path})`,
      kilowattHours: scaled(gigabytes, transferKilowattHoursPerGigabyte(path, year)),
      provenance: 'modelled',
      note: TRANSFER_NOTES[path],
    });
  }
  if (data.storage !== undefined) {
    const { terabytes, hours, media, replication } = data.storage;
    energies.push({
      key: 'dataStorageKilowattHours',
      label: `Storage (${media})`,
      kilowattHours: storageKilowattHours(productOf(terabytes, hours, replication), media, pue),
      provenance: 'modelled',
      note: `${STORAGE_WATTS_PER_TERABYTE[media]} W per TB (Cloud Carbon Footprint)`,
    });
  }
  return energies;
}

function acquisitionOf(data: PlannedData | undefined): { acquisition?: Range } {
  const acquisition = acquisitionKilowattHours(data);
  return acquisition === undefined ? {} : { acquisition };
}

/** kWh of getting the data: GB × kWh/GB; undefined where one of them is not given. */
export function acquisitionKilowattHours(
  data: Pick<PlannedData, 'sizeGigabytes' | 'acquisitionKilowattHoursPerGigabyte'> | undefined,
): Range | undefined {
  const { sizeGigabytes: size, acquisitionKilowattHoursPerGigabyte: perGigabyte } = data ?? {};
  return size === undefined || perGigabyte === undefined ? undefined : productOf(size, perGigabyte);
}

function servingOf(basis: Basis): Pick<EnergyParts, 'deployment' | 'deploymentIt' | 'requests'> {
  const { deployment } = basis.plan;
  if (deployment?.requestsPerDay === undefined) return {};
  const requests = productOf(deployment.requestsPerDay, deployment.days);
  if (deployment.wattHoursPerRequest === undefined) return { requests };
  const it = scaled(productOf(requests, deployment.wattHoursPerRequest), 1 / WATTS_PER_KILOWATT);
  return {
    requests,
    deploymentIt: it,
    deployment: productOf(it, basis.powerUsageEffectiveness.value),
  };
}
