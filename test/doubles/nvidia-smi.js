// Plays nvidia-smi from a scenario. Usage, in a test:
//
//   env.PATH = `${resolve('test/doubles')}:${process.env.PATH}`
//   env.WATTMETER_DOUBLE_SCENARIO = JSON text, or the path of a JSON file
//   env.WATTMETER_DOUBLE_LOG      = a file that gets one JSON line per {event: start|sigterm|end, pid, args, time}
//
// Scenario (everything optional):
//   originUnixSeconds   time 0 of loads and faults; default: this process's start
//   originNanoseconds   the same on CLOCK_MONOTONIC, as text (gpu-scenario.ts's scenarios, by nvidia-smi-scenario.ts)
//   driverVersion       default "590.48.01"
//   gpus: [{ uuid, name, pciBusId, load: [terms], sensor, averageSensor, powerLimitWatts, ratedPowerWatts,
//            utilizationPercent, memoryUsedMebibytes, memoryTotalMebibytes, temperatureCelsius, smClockMegahertz,
//            migMode, migInstances: [uuid], cells: { "power.draw": "[N/A]", … } }]      default: one GPU at a constant 100 W
//   missingFields: ["power.draw.instant"]    neither listed by --help-query-gpu nor accepted
//   fieldsLegacy: true  no power.draw.instant/.average at all (a driver before 525)
//   ignoreSigterm: true
//   faults: [{ kind, …, fromSeconds?, untilSeconds?, fromCycle?, untilCycle?, launch? }]
//     A fault is in force while the time since the origin, this process's own cycle (0, 1, …) and the launch number
//     (counted in WATTMETER_DOUBLE_LOG's streaming starts, from 1) are all inside its limits; `until` is exclusive.
//     hang · delay {seconds} · garbage {text} · split · reverse · exit {code, message?} · lost {gpu} · missing {gpu}
//     cell {gpu, field, token} · error-line {gpu, text?} · help-hang · help-exit {code} · inventory-hang · inventory-exit {code}
//
// Loads and sensors: nvidia-smi-load.js, which also gives the true energy in closed form.

import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import { sensorWatts } from './nvidia-smi-load.js';

const EXIT_MESSAGES = {
  6: 'No devices were found',
  9: "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.",
  12: "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. Please make sure that the NVIDIA Display Driver is properly installed and present in your system.",
  15: 'Unable to determine the device handle for GPU0000:02:00.0: GPU is lost.  Reboot the system to recover this GPU',
};
const ALIASES = { gpu_uuid: 'uuid', gpu_name: 'name', 'clocks.sm': 'clocks.current.sm' };

const args = process.argv.slice(2);
const startUnixSeconds = Date.now() / 1e3;
const scenario = readScenario();
const origin = scenario.originUnixSeconds ?? startUnixSeconds;
const gpus = (scenario.gpus ?? [{}]).map((gpu, index) => ({
  uuid: `GPU-00000000-0000-4000-8000-00000000000${index}`,
  name: 'Simulated GPU',
  pciBusId: `00000000:0${index + 1}:00.0`,
  load: [{ kind: 'constant', watts: 100 }],
  sensor: { windowSeconds: 0.1, periodSeconds: 0.1 },
  averageSensor: { windowSeconds: 1, periodSeconds: 0.1 },
  powerLimitWatts: 300,
  ratedPowerWatts: 350,
  utilizationPercent: 50,
  memoryUsedMebibytes: 1024,
  memoryTotalMebibytes: 24_576,
  temperatureCelsius: 45,
  smClockMegahertz: 1410,
  migMode: '[N/A]',
  cells: {},
  ...gpu,
  index,
}));

function readScenario() {
  const text = process.env.WATTMETER_DOUBLE_SCENARIO;
  if (text === undefined) return {};
  return JSON.parse(text.trimStart().startsWith('{') ? text : readFileSync(text, 'utf8'));
}

function log(event) {
  const file = process.env.WATTMETER_DOUBLE_LOG;
  if (file === undefined) return;
  const entry = { event, pid: process.pid, args, time: Date.now() / 1e3 };
  appendFileSync(file, `${JSON.stringify(entry)}\n`);
}

function countLaunches() {
  const file = process.env.WATTMETER_DOUBLE_LOG;
  if (file === undefined || !existsSync(file)) return 1;
  const starts = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.includes('"start"') && line.includes('--query-gpu'));
  return Math.max(1, starts.length);
}

const secondsNow = () =>
  scenario.originNanoseconds === undefined
    ? Date.now() / 1e3 - origin
    : Number(process.hrtime.bigint() - BigInt(scenario.originNanoseconds)) / 1e9;

function faultsInForce(kind, cycle, launch) {
  const t = secondsNow();
  return (scenario.faults ?? []).filter(
    (fault) =>
      fault.kind === kind &&
      (fault.launch === undefined || fault.launch === launch) &&
      t >= (fault.fromSeconds ?? -Infinity) &&
      t < (fault.untilSeconds ?? Infinity) &&
      cycle >= (fault.fromCycle ?? 0) &&
      cycle < (fault.untilCycle ?? Infinity),
  );
}

function exit(code, message) {
  if (message !== undefined) process.stdout.write(`${message}\n`);
  log('end');
  process.exit(code);
}

function localTimestamp() {
  const now = new Date();
  const two = (value) => String(value).padStart(2, '0');
  const date = `${now.getFullYear()}/${two(now.getMonth() + 1)}/${two(now.getDate())}`;
  const time = `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
  return `${date} ${time}.${String(now.getMilliseconds()).padStart(3, '0')}`;
}

// Each field: its unit in the header and in the cells, and how to read it.
const FIELDS = {
  timestamp: [undefined, () => localTimestamp()],
  driver_version: [undefined, () => scenario.driverVersion ?? '590.48.01'],
  count: [undefined, () => String(gpus.length)],
  name: [undefined, (gpu) => gpu.name],
  uuid: [undefined, (gpu) => gpu.uuid],
  'pci.bus_id': [undefined, (gpu) => gpu.pciBusId],
  index: [undefined, (gpu) => String(gpu.index)],
  persistence_mode: [undefined, () => 'Enabled'],
  'memory.total': ['MiB', (gpu) => String(gpu.memoryTotalMebibytes)],
  'memory.used': ['MiB', (gpu) => String(gpu.memoryUsedMebibytes)],
  'utilization.gpu': ['%', (gpu) => String(gpu.utilizationPercent)],
  'temperature.gpu': [undefined, (gpu) => String(gpu.temperatureCelsius)],
  'power.draw': ['W', (gpu) => watts(gpu, scenario.fieldsLegacy ? gpu.sensor : gpu.averageSensor)],
  'power.draw.average': ['W', (gpu) => watts(gpu, gpu.averageSensor)],
  'power.draw.instant': ['W', (gpu) => watts(gpu, gpu.sensor)],
  'power.limit': ['W', (gpu) => gpu.powerLimitWatts.toFixed(2)],
  'enforced.power.limit': ['W', (gpu) => gpu.powerLimitWatts.toFixed(2)],
  'power.default_limit': ['W', (gpu) => gpu.ratedPowerWatts.toFixed(2)],
  'clocks.current.sm': ['MHz', (gpu) => String(gpu.smClockMegahertz)],
  'mig.mode.current': [undefined, (gpu) => gpu.migMode],
};

function watts(gpu, sensor) {
  return sensorWatts(gpu.load, sensor, secondsNow()).toFixed(2);
}

function isMissing(field) {
  if (!(field in FIELDS) || (scenario.missingFields ?? []).includes(field)) return true;
  return scenario.fieldsLegacy === true && /^power\.draw\../.test(field);
}

function cell(gpu, field, units, cycle, launch) {
  const forced = faultsInForce('cell', cycle, launch).find(
    (fault) => fault.gpu === gpu.index && fault.field === field,
  );
  if (forced !== undefined) return forced.token;
  const lost = faultsInForce('lost', cycle, launch).some((fault) => fault.gpu === gpu.index);
  const [unit, read] = FIELDS[field];
  if (lost && (unit !== undefined || field === 'temperature.gpu')) return '[GPU is lost]';
  if (field in gpu.cells) return gpu.cells[field];
  const value = read(gpu);
  return unit !== undefined && units ? `${value} ${unit}` : value;
}

function rowOf(gpu, fields, units, cycle, launch) {
  const of = (fault) => fault.gpu === gpu.index;
  if (faultsInForce('missing', cycle, launch).some(of)) return undefined;
  const errorLine = faultsInForce('error-line', cycle, launch).find(of);
  if (errorLine !== undefined) {
    const handle = `GPU${gpu.pciBusId.slice(4)}`;
    return errorLine.text ?? `Unable to determine the device handle for ${handle}: Unknown Error`;
  }
  return fields.map((field) => cell(gpu, field, units, cycle, launch)).join(', ');
}

async function print(lines, cycle, launch) {
  if (faultsInForce('split', cycle, launch).length === 0) {
    process.stdout.write(lines.map((line) => `${line}\n`).join(''));
    return;
  }
  for (const line of lines) {
    const middle = Math.floor(line.length / 2);
    process.stdout.write(line.slice(0, middle));
    await delay(3);
    process.stdout.write(`${line.slice(middle)}\n`);
  }
}

async function playFaults(cycle, launch) {
  const [exiting] = faultsInForce('exit', cycle, launch);
  if (exiting !== undefined) {
    exit(exiting.code, exiting.message ?? EXIT_MESSAGES[exiting.code]);
  }
  while (faultsInForce('hang', cycle, launch).length > 0) await delay(10);
  for (const fault of faultsInForce('delay', cycle, launch)) await delay(fault.seconds * 1e3);
  for (const fault of faultsInForce('garbage', cycle, launch)) {
    process.stdout.write(`${fault.text ?? '#!%&  garbage, 1 2 3'}\n`);
  }
}

async function query(fieldList, format, periodMilliseconds) {
  const fields = fieldList.split(',').map((field) => ALIASES[field.trim()] ?? field.trim());
  const unknown = fields.find(isMissing);
  if (unknown !== undefined) exit(2, `Field "${unknown}" is not a valid field to query.\n`);
  const units = !format.includes('nounits');
  const launch = countLaunches();
  for (let cycle = 0; ; cycle += 1) {
    await playFaults(cycle, launch);
    if (cycle === 0 && !format.includes('noheader')) {
      const title = (field) => (FIELDS[field][0] ? `${field} [${FIELDS[field][0]}]` : field);
      process.stdout.write(`${fields.map(title).join(', ')}\n`);
    }
    const rows = gpus.map((gpu) => rowOf(gpu, fields, units, cycle, launch));
    if (faultsInForce('reverse', cycle, launch).length > 0) rows.reverse();
    await print(
      rows.filter((row) => row !== undefined),
      cycle,
      launch,
    );
    if (periodMilliseconds === undefined) exit(0);
    await delay(periodMilliseconds);
  }
}

async function help() {
  while (faultsInForce('help-hang', 0, 1).length > 0) await delay(10);
  const [exiting] = faultsInForce('help-exit', 0, 1);
  if (exiting !== undefined) exit(exiting.code, EXIT_MESSAGES[exiting.code]);
  const names = Object.keys(FIELDS).filter((field) => !isMissing(field));
  const alias = (field) => Object.keys(ALIASES).find((name) => ALIASES[name] === field);
  const title = (field) => (alias(field) ? `"${field}" or "${alias(field)}"` : `"${field}"`);
  exit(
    0,
    `Properties that this stand-in knows:\n\n${names.map((name) => `${title(name)}\nSimulated.\n`).join('\n')}`,
  );
}

async function inventory() {
  while (faultsInForce('inventory-hang', 0, 1).length > 0) await delay(10);
  const [exiting] = faultsInForce('inventory-exit', 0, 1);
  if (exiting !== undefined) exit(exiting.code, EXIT_MESSAGES[exiting.code]);
  const one = (gpu) => `  <gpu id="${gpu.pciBusId}">
    <product_name>${gpu.name}</product_name>
    <persistence_mode>Enabled</persistence_mode>
    <mig_mode><current_mig>${gpu.migMode === '[N/A]' ? 'N/A' : gpu.migMode}</current_mig></mig_mode>
    <uuid>${gpu.uuid}</uuid>
    <minor_number>${gpu.index}</minor_number>
    <fb_memory_usage><total>${gpu.memoryTotalMebibytes} MiB</total></fb_memory_usage>
    <gpu_power_readings>
      <current_power_limit>${gpu.powerLimitWatts.toFixed(2)} W</current_power_limit>
      <default_power_limit>${gpu.ratedPowerWatts.toFixed(2)} W</default_power_limit>
    </gpu_power_readings>
  </gpu>`;
  exit(
    0,
    `<?xml version="1.0" ?>
<nvidia_smi_log>
  <driver_version>${scenario.driverVersion ?? '590.48.01'}</driver_version>
  <attached_gpus>${gpus.length}</attached_gpus>
${gpus.map(one).join('\n')}
</nvidia_smi_log>`,
  );
}

function option(name) {
  const prefix = `${name}=`;
  const joined = args.find((arg) => arg.startsWith(prefix));
  if (joined !== undefined) return joined.slice(prefix.length);
  const position = args.indexOf(name);
  return position === -1 ? undefined : args[position + 1];
}

process.on('SIGTERM', () => {
  log('sigterm');
  if (scenario.ignoreSigterm !== true) exit(0);
});
process.stdout.on('error', () => process.exit(0));
log('start');
if (args.includes('--help-query-gpu')) await help();
else if (args.includes('-q') && args.includes('-x')) await inventory();
else if (option('--query-gpu') !== undefined) {
  const seconds = option('-l') ?? option('--loop');
  const period = option('-lms') ?? option('--loop-ms') ?? (seconds && Number(seconds) * 1e3);
  await query(option('--query-gpu'), option('--format') ?? 'csv', period && Number(period));
} else if (option('--query-compute-apps') !== undefined) {
  // Nobody computes here.
  exit(0);
} else if (args.includes('-L')) {
  const instance = (uuid, number) => `  MIG 1g.5gb     Device  ${number}: (UUID: ${uuid})`;
  const lines = gpus.flatMap((gpu) => [
    `GPU ${gpu.index}: ${gpu.name} (UUID: ${gpu.uuid})`,
    ...(gpu.migInstances ?? []).map(instance),
  ]);
  exit(0, lines.join('\n'));
} else
  exit(1, 'This stand-in plays --query-gpu, --query-compute-apps, --help-query-gpu, -q -x and -L.');
