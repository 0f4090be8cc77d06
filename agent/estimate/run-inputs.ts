// What nobody can measure of a run and its user knows: how its hardware is paid for, the data it keeps and how that was
// got, the labelling, other places it could go; and what they come to. run-inputs-file.ts reads them. Pure.

import { InputError } from '../input-error.ts';
import type { Instant } from '../units.ts';
import { gpuHourRate, labellingCost } from './cost.ts';
import { STORAGE_WATTS_PER_TERABYTE, storageKilowattHours, type StorageMedia } from './energy.ts';
import { labellingKilowattHours } from './impact.ts';
import type { Hardware, Labelling } from './plan.ts';
import { exactly, productOf, scaled, type Range } from './range.ts';

/** Bytes that a run keeps: for its own duration where no hours are given. */
interface KeptData {
  readonly terabytes: Range;
  readonly media: StorageMedia;
  readonly replication: Range;
  readonly hours?: Range | undefined;
}

/** The sections of an inputs file; what is absent was not said. */
export interface RunInputs {
  /** For messages. */
  readonly fileName: string;
  /** Of all money in the file; it must be the tariff's. */
  readonly currency?: string | undefined;
  readonly hardware?: Extract<Hardware, { readonly kind: 'owned' }> | undefined;
  readonly data?:
    | {
        readonly sizeGigabytes?: Range | undefined;
        readonly acquisitionKilowattHoursPerGigabyte?: Range | undefined;
        readonly storage?: KeptData | undefined;
      }
    | undefined;
  readonly labelling?: Labelling | undefined;
  /** When the grid's system peaked, for a tariff that charges the load at that time. */
  readonly coincidentPeaks?: readonly Instant[] | undefined;
  /** Other places, with their g/kWh. */
  readonly regions?: Readonly<Record<string, number>> | undefined;
}

/**
 * Refuses money of another currency than the report's: nothing is converted in silence.
 * @throws InputError
 */
export function checkInputsCurrency(inputs: RunInputs, currency: string): void {
  const { hardware, labelling, fileName } = inputs;
  const hasMoney =
    hardware !== undefined ||
    labelling?.amount !== undefined ||
    labelling?.payPerHour !== undefined;
  if (!hasMoney || inputs.currency === currency) return;
  throw new InputError(
    fileName,
    inputs.currency === undefined
      ? 'it has money in it and does not say its currency'
      : `its money is in ${inputs.currency}, and the electricity is priced in ${currency}`,
    `Write currency: ${currency} in it, with amounts in ${currency}; currencies are never converted`,
  );
}

/** What owned hardware costs per GPU-hour (ECONOMICS.md §2), in the inputs' currency. */
export const ownedPerGpuHour = ({ hardware }: RunInputs): Range | undefined =>
  hardware === undefined ? undefined : gpuHourRate(hardware);

/** Bytes kept over time, what that took, and the disks' own power: the P of k_data. */
interface KeptEnergy {
  /** One copy's. */
  readonly terabyteHours: Range;
  readonly kilowattHours: Range;
  readonly ratedKilowatts: Range;
  readonly hours: Range;
  readonly media: StorageMedia;
}

/** Energy of the data that a run of `runHours` keeps; undefined where none is given. */
export function keptEnergy(
  { data }: RunInputs,
  runHours: number,
  powerUsageEffectiveness: number,
): KeptEnergy | undefined {
  if (data?.storage === undefined) return undefined;
  const { terabytes, media, replication, hours = exactly(runHours) } = data.storage;
  return {
    terabyteHours: productOf(terabytes, hours),
    kilowattHours: storageKilowattHours(
      productOf(terabytes, hours, replication),
      media,
      exactly(powerUsageEffectiveness),
    ),
    ratedKilowatts: scaled(
      productOf(terabytes, replication),
      STORAGE_WATTS_PER_TERABYTE[media] / 1000,
    ),
    hours,
    media,
  };
}

/** Energy at the workstations and money of the labelling, each where it is given. */
export function labellingOf({ labelling }: RunInputs): {
  readonly kilowattHours?: Range;
  readonly amount?: Range;
} {
  if (labelling === undefined) return {};
  const kilowattHours = labellingKilowattHours({ labelling });
  const amount = labellingCost(labelling);
  return {
    ...(kilowattHours === undefined ? {} : { kilowattHours }),
    ...(amount === undefined ? {} : { amount }),
  };
}
