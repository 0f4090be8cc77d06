// The article's E_data of a run: of what was counted as moved, and of what the inputs file says is kept.

import { transferKilowattHoursPerGigabyte } from '../estimate/energy.ts';
import { keptEnergy } from '../estimate/run-inputs.ts';
import type { Config } from '../options.ts';
import { figure, knownFigure } from '../report/figure.ts';
import { present } from '../report/present.ts';
import type { ReportData } from '../report/report.ts';
import type { Traffic } from '../source/traffic.ts';
import { toUnixMilliseconds, type Instant } from '../units.ts';
import type { Pricing } from './pricing.ts';

const BYTES_PER_GIGABYTE = 1e9;
const BYTES_PER_TERABYTE = 1e12;
const SECONDS_PER_HOUR = 3600;

const METHODS = {
  wan: 'an allocation of the networks’ energy, not a marginal figure',
  cloud: 'inside a cloud',
  lan: 'local traffic is in the node’s power already',
} as const;

/** E_data of a run, of what is known of it; undefined where that is nothing. */
export function dataOf(
  span: { readonly startSeconds: Instant; readonly endSeconds: Instant },
  parts: {
    readonly config: Pick<Config, 'dataPath'>;
    readonly pricing: Pick<Pricing, 'inputs' | 'powerUsageEffectiveness'>;
    readonly traffic: Traffic;
  },
): ReportData | undefined {
  const { config, pricing, traffic: moved } = parts;
  const year = new Date(toUnixMilliseconds(span.endSeconds)).getUTCFullYear();
  const transfer = transferOf(config.dataPath, moved.networkBytes, year);
  const kept =
    pricing.inputs &&
    keptEnergy(
      pricing.inputs,
      (span.endSeconds - span.startSeconds) / SECONDS_PER_HOUR,
      pricing.powerUsageEffectiveness.value,
    );
  if (transfer === undefined && kept === undefined) return undefined;
  const energyKilowattHours = (transfer?.kilowattHours ?? 0) + (kept?.kilowattHours.mid ?? 0);
  const rated = kept === undefined ? 0 : kept.hours.mid * kept.ratedKilowatts.mid;
  return present({
    energyKilowattHours: figure(energyKilowattHours),
    transferredBytes: transfer && moved.networkBytes,
    storedByteHours: kept && figure(kept.terabyteHours.mid * BYTES_PER_TERABYTE),
    transferKilowattHours: knownFigure(transfer?.kilowattHours),
    storageKilowattHours: knownFigure(kept?.kilowattHours.mid),
    ...(transfer !== undefined && {
      diskReadBytes: moved.diskReadBytes,
      diskWrittenBytes: moved.diskWrittenBytes,
    }),
    k: rated > 0 ? figure(energyKilowattHours / rated) : undefined,
    provenance: kept === undefined ? 'derived' : 'assumed',
    method: [
      ...(transfer === undefined ? [] : [transfer.method]),
      ...(kept === undefined
        ? []
        : [
            `storage on ${kept.media} as given, × replicas × PUE; E_data = k·T·P, P the disks’ own power`,
          ]),
    ].join('; '),
  });
}

function transferOf(
  path: Config['dataPath'],
  networkBytes: number | undefined,
  year: number,
): { readonly kilowattHours: number; readonly method: string } | undefined {
  if (path === undefined || networkBytes === undefined) return undefined;
  const perGigabyte = transferKilowattHoursPerGigabyte(path, year);
  return {
    kilowattHours: (networkBytes / BYTES_PER_GIGABYTE) * perGigabyte,
    method: `${Number(perGigabyte.toPrecision(3))} kWh/GB (${path}, ${year}): ${METHODS[path]}; bytes of the default interface`,
  };
}
