// `wattmeter devices`: what would be measured, by which source and sensor, and how well.

import { createAccount } from '../account.ts';
import { openClock } from '../clock.ts';
import { tableLines, type Column } from '../display/line.ts';
import { formatPower } from '../display/quantity.ts';
import type { Method } from '../model.ts';
import type { DeviceSnapshot, Totals } from '../snapshot.ts';
import { SOURCE_OPTIONS, TRACE_OPTIONS, wantsJson, type CommandSpec } from './command.ts';
import { calibrationLookup } from './calibrations.ts';
import { openMetering } from './metering.ts';
import { openPricing } from './pricing.ts';
import { after } from '../units.ts';
import { startSampling } from './run-sampling.ts';
import { chooseSources, isStuck, LIVE_PLAY } from './sources.ts';

const EXIT_NOTHING = 1;
const FIRST_READING_SECONDS = 10;
/** Long enough to see a sensor refresh some tens of times. */
const LOOK_SECONDS = 3;

export const devicesCommand: CommandSpec = {
  options: [...SOURCE_OPTIONS, ...TRACE_OPTIONS, 'stateDir'],
  extra: [['--json', 'as JSON']],
  examples: ['wattmeter devices', 'wattmeter devices --source nvidia-smi --json'],
  async action(invocation) {
    const { config, context } = invocation;
    const clock = openClock();
    const pricing = await openPricing({}, context, clock);
    const account = createAccount({
      id: 'devices',
      host: 'localhost',
      startSeconds: clock.now(),
      labels: {},
    });
    const sources = await chooseSources(config, clock, {
      play: LIVE_PLAY,
    });
    await using sampling = startSampling(sources, clock, () => undefined);
    const first = await sampling.firstReading(FIRST_READING_SECONDS);
    if (first instanceof Error) throw first;
    const pipeline = openMetering({
      config,
      pricing,
      charges: await pricing.openCharges(),
      account,
      calibrationOf: calibrationLookup(config, context, ({ message }) =>
        context.stderr.write(`wattmeter: ${message}\n`),
      ),
    });
    sampling.feed((event) => pipeline.consume(event.source, event));
    await clock.sleepUntil(after(clock.now(), LOOK_SECONDS), context.signal).catch(() => undefined);
    if (isStuck(sources)) context.leaveAbruptly();
    const devices = pipeline.devices();
    context.stdout.write(
      wantsJson(invocation)
        ? `${JSON.stringify(devices.map(factsOf), null, 2)}\n`
        : tableOf(devices),
    );
    return devices.length > 0 ? 0 : EXIT_NOTHING;
  },
};

const factsOf = ({ device, sensor, powerWatts, totals }: DeviceSnapshot): object => ({
  ...device,
  sensor,
  ...methodOf(totals),
  ...(powerWatts === undefined ? {} : { powerWatts }),
});

/** What gives the energy; nothing has while nothing was observed. */
const methodOf = ({ method, observedSeconds }: Totals): { readonly method?: Method } =>
  method === undefined || observedSeconds <= 0 ? {} : { method };

const METHODS: Readonly<Record<Method, string>> = {
  counter: 'energy by its hardware counter',
  integral: 'energy by integrating its power',
  modelled: 'energy modelled, not measured',
};

const COLUMNS: readonly Column[] = [
  { title: '#', align: 'right' },
  { title: 'model', align: 'left' },
  { title: 'source', align: 'left' },
  { title: 'reads', align: 'left' },
  { title: 'period', align: 'right' },
  { title: 'window', align: 'right' },
  { title: 'known from', align: 'left' },
  { title: 'now', align: 'right' },
];
const UNKNOWN = '–';
const inMilliseconds = (seconds: number | undefined): string =>
  seconds === undefined ? UNKNOWN : `${Math.round(seconds * 1e3)} ms`;

function tableOf(devices: readonly DeviceSnapshot[]): string {
  if (devices.length === 0) return 'No device gave a reading.\n';
  const rows = devices.flatMap(({ device, sensor, powerWatts }) => [
    [
      String(device.index),
      device.model,
      device.source,
      sensor.field,
      inMilliseconds(sensor.periodSeconds),
      inMilliseconds(sensor.windowSeconds),
      sensor.origin,
      powerWatts === undefined ? UNKNOWN : formatPower(powerWatts),
    ],
  ]);
  const uuids = devices.map(({ device, totals }) => {
    const { method } = methodOf(totals);
    const energy = method === undefined ? 'no energy measured' : METHODS[method];
    return `${device.index}  ${device.uuid}  ${energy}`;
  });
  return `${[...tableLines(COLUMNS, rows), '', ...uuids].join('\n')}\n`;
}
