// What is known of boards before the first reading: how their power sensor averages, and how far it can be trusted.
// The values that the meter uses are exposed as Sensor, with their origin.

import type { Device, PowerField } from '../model.ts';

/** Averaging window and refresh period of a power register. */
export interface Register {
  readonly windowSeconds: number;
  readonly periodSeconds: number;
}

type Architecture =
  | 'blackwell'
  | 'hopper'
  | 'ada'
  | 'ga10x'
  | 'ga100'
  | 'turing'
  | 'volta'
  | 'pascal'
  | 'maxwell'
  | 'kepler';

interface RegisterRow {
  readonly drawBefore530?: Register;
  readonly draw530?: Register;
  readonly drawAfter530: Register;
  readonly average?: Register;
  readonly instant?: Register;
  readonly origin: 'table' | 'assumed';
}

const register = (windowMilliseconds: number, periodMilliseconds: number): Register => ({
  windowSeconds: windowMilliseconds / 1e3,
  periodSeconds: periodMilliseconds / 1e3,
});

const sameForAll = (only: Register, origin: 'table' | 'assumed'): RegisterRow => ({
  drawAfter530: only,
  instant: only,
  origin,
});

// Z. Yang, K. Adamek, W. Armour, "Part-time Power Measurements: nvidia-smi's Lack of Attention", SC'24, table of
// windows and update periods over 70 GPUs. Blackwell is not in it: taken to be like Hopper until it is measured.
const HOPPER: RegisterRow = {
  drawAfter530: register(1000, 100),
  average: register(1000, 100),
  instant: register(25, 100),
  origin: 'table',
};
const AMPERE_TO_ADA: RegisterRow = {
  drawBefore530: register(1000, 100),
  draw530: register(100, 100),
  drawAfter530: register(1000, 100),
  average: register(1000, 100),
  instant: register(100, 100),
  origin: 'table',
};
const REGISTERS = {
  blackwell: { ...HOPPER, origin: 'assumed' },
  hopper: HOPPER,
  ada: AMPERE_TO_ADA,
  ga10x: AMPERE_TO_ADA,
  ga100: sameForAll(register(25, 100), 'table'),
  turing: sameForAll(register(100, 100), 'table'),
  volta: sameForAll(register(10, 20), 'table'),
  pascal: sameForAll(register(10, 20), 'table'),
  // They lag like a capacitor, 15–100 ms: read as a window of that length.
  maxwell: sameForAll(register(50, 50), 'assumed'),
  kepler: sameForAll(register(50, 50), 'assumed'),
} as const satisfies Record<Architecture, RegisterRow>;

// Boards whose sensor differs from their architecture's (same study).
const BOARD_REGISTERS: readonly (readonly [RegExp, RegisterRow])[] = [
  [/Quadro RTX 8000/i, sameForAll(register(20, 100), 'table')],
  [/Tesla M40/i, sameForAll(register(14, 31), 'table')],
];

// First match wins: data-centre names are parts of longer workstation names, so those come first.
const ARCHITECTURES: readonly (readonly [RegExp, Architecture])[] = [
  [/Blackwell|\bG?B[123]00\b|RTX 50\d\d/i, 'blackwell'],
  [/\b(H100|H200|H800|H20|GH200)\b/i, 'hopper'],
  [/RTX 40\d\d|\bL(2|4|20|40|40S)\b|\bAda\b/i, 'ada'],
  [/RTX 30\d\d|RTX A\d{3,4}|\bA(2|10|10G|10M|16|40)\b/i, 'ga10x'],
  [/\b(A100|A800|A30)\b|\b(PG509|PG506)\b/i, 'ga100'],
  [/RTX 20\d\d|GTX 16\d\d|TITAN RTX|Quadro (RTX|T\d)|\bT(4|4G|600|1000)\b/i, 'turing'],
  [/\bV100S?\b|TITAN V|\bGV100\b/i, 'volta'],
  [/\bP(100|40|4|6)\b|GTX 10\d\d|TITAN Xp|TITAN X \(Pascal\)|\bGP100\b|Quadro P\d/i, 'pascal'],
  [/\bM(40|60|10|6|4)\b|GTX 9\d\d|GTX TITAN X|Quadro M\d/i, 'maxwell'],
  [/\bK(80|40|20|10)\w?\b|GTX [67]\d\d|GTX TITAN|Quadro K\d/i, 'kepler'],
];

const architectureOf = (model: string): Architecture | undefined =>
  ARCHITECTURES.find(([name]) => name.test(model))?.[1];

const driverMajor = (version: string | undefined): number | undefined => {
  const major = Number.parseInt(version ?? '', 10);
  return Number.isNaN(major) ? undefined : major;
};

const drawRegister = (row: RegisterRow, driver: number | undefined): Register => {
  if (driver !== undefined && driver < 530) return row.drawBefore530 ?? row.drawAfter530;
  if (driver === 530) return row.draw530 ?? row.drawAfter530;
  return row.drawAfter530;
};

/** What the table says of one power field of a device; undefined when it does not know the board. */
export function registerOf(
  device: Pick<Device, 'model' | 'driverVersion'>,
  field: PowerField,
): (Register & { readonly origin: 'table' | 'assumed' }) | undefined {
  const architecture = architectureOf(device.model);
  const row =
    BOARD_REGISTERS.find(([name]) => name.test(device.model))?.[1] ??
    (architecture === undefined ? undefined : REGISTERS[architecture]);
  if (row === undefined) return undefined;
  const found =
    field === 'draw' ? drawRegister(row, driverMajor(device.driverVersion)) : row[field];
  return found === undefined ? undefined : { ...found, origin: row.origin };
}

/** Standard uncertainties (k = 1) of a device's gain (relative) and offset. */
export interface Trust {
  readonly gainUncertainty: number;
  readonly offsetUncertaintyWatts: number;
}

const DATA_CENTRE =
  /\b(A100|A800|A30|A40|A10|A10G|A10M|A16|A2|L2|L4|L20|L40|L40S|H100|H200|H800|H20|GH200|G?B[123]00)\b/i;
const GEFORCE_HEAVY_WATTS = 350;
const GEFORCE_HEAVY = /RTX (3080 Ti|3090|4090|5090)/i;

const UNCALIBRATED_GAIN = 0.039;

/** The priors of docs/measurement.md §4.8 by class of board, for devices that nobody calibrated. */
export function priorTrust(device: Device): Trust {
  if (device.powerOrigin === 'modelled') {
    // A model of duty cycle or a configured constant: nobody has measured how good; ±20 % is assumed.
    return { gainUncertainty: 0.2, offsetUncertaintyWatts: 0 };
  }
  if (device.kind === 'host') {
    // RAPL and platform meters: no offset study to lean on, a relative doubt as for uncalibrated boards is assumed.
    return { gainUncertainty: UNCALIBRATED_GAIN, offsetUncertaintyWatts: 0 };
  }
  if (DATA_CENTRE.test(device.model)) {
    return { gainUncertainty: 0.025, offsetUncertaintyWatts: 3 };
  }
  const heavy =
    GEFORCE_HEAVY.test(device.model) ||
    (/GeForce/i.test(device.model) && (device.ratedPowerWatts ?? 0) >= GEFORCE_HEAVY_WATTS);
  return { gainUncertainty: UNCALIBRATED_GAIN, offsetUncertaintyWatts: heavy ? 10 : 6 };
}

// Maximum board powers of the part-time boards, from their data sheets; used where the source does not say a limit.
const RATED_WATTS: readonly (readonly [RegExp, number])[] = [
  [/\bG?B300\b/i, 1400],
  [/\bG?B200\b/i, 1200],
  [/\bB100\b/i, 700],
  [/\b(H100|H800)\b.*PCIe/i, 350],
  [/\b(H100|H200|H800|GH200)\b/i, 700],
  [/\bH20\b/i, 400],
  [/\b(A100|A800)\b.*PCIe/i, 300],
  [/\b(A100|A800)\b/i, 400],
  [/\bA30\b/i, 165],
  [/\bV100S?\b/i, 300],
  [/\bP100\b/i, 300],
  [/Quadro RTX 8000/i, 295],
  [/Tesla M40|\bP40\b/i, 250],
];
const UNKNOWN_BOARD_WATTS = 450;
// Idle floor as a share of the limit, below every board of the study at idle (8 % to 25 %).
const IDLE_FLOOR_RATIO = 0.08;

/** No device draws more (a GB200 module is rated 2,700 W): a reading above is garbage, a counter's step a restart. */
export const highestWatts = ({ kind }: Device): number => (kind === 'gpu' ? 5000 : 20_000);

/** Between which powers a device can be at all: its idle floor and its limit, never taken from samples. */
export interface PowerRange {
  readonly floorWatts: number;
  readonly limitWatts: number;
}

/** The range by the enforced limit, the rated power, the board's name, or a heavy board's, in this order. */
export function powerRange(device: Device): PowerRange {
  const limitWatts =
    device.powerLimitWatts ??
    device.ratedPowerWatts ??
    RATED_WATTS.find(([name]) => name.test(device.model))?.[1] ??
    UNKNOWN_BOARD_WATTS;
  return powerRangeBelow(limitWatts);
}

/** The range of a board whose limit is known. */
export const powerRangeBelow = (limitWatts: number): PowerRange => ({
  floorWatts: IDLE_FLOOR_RATIO * limitWatts,
  limitWatts,
});
