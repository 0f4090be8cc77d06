// `wattmeter doctor`: what is wrong here and the mend; with --calibrate, a board held against an external meter.

import { openClock, wallNow } from '../clock.ts';
import { UsageError } from '../config.ts';
import { formatFindings } from '../insight/doctor-text.ts';
import { diagnose, hasProblem, type DoctorFacts, type Finding } from '../insight/doctor.ts';
import { paintOf } from '../report/paint.ts';
import { toUnixMilliseconds } from '../units.ts';
import {
  SOURCE_OPTIONS,
  TRACE_OPTIONS,
  wantsJson,
  type CommandSpec,
  type Invocation,
} from './command.ts';
import { wantsColour } from './context.ts';
import { calibrate } from './doctor-calibrate.ts';
import { collectFacts } from './doctor-collect.ts';

const EXIT_PROBLEM = 1;
const DEFAULT_LOOK_SECONDS = 5;

export const doctorCommand: CommandSpec = {
  options: [...SOURCE_OPTIONS, ...TRACE_OPTIONS, 'stateDir', 'webListenAddress'],
  extra: [
    ['--json', 'as JSON'],
    [
      '--seconds <s>',
      'how long to look (default: 5), or to measure each load of a calibration (30)',
    ],
    ['--calibrate <uuid>', 'hold this GPU against an external meter at two loads'],
    [
      '--idle-watts <w>',
      "what the meter shows while the GPU idles: the GPU's power, nothing else's",
    ],
    ['--load-watts <w>', 'what the meter shows under a steady load'],
    [
      '--meter-percent <p>',
      'accuracy of the meter, ± per cent, as its maker states it (default: 1.5)',
    ],
    ['--idle-readings <trace>', 'a trace recorded while idle, instead of measuring now'],
    ['--load-readings <trace>', 'a trace recorded under load, instead of measuring now'],
  ],
  survivesBadConfig: true,
  examples: [
    'wattmeter doctor',
    'wattmeter doctor --calibrate GPU-1a2b… --idle-watts 31.5 --load-watts 287',
  ],
  async action(invocation) {
    const { config, extra, context, configFile } = invocation;
    if (extra['calibrate'] !== undefined) return calibrate(invocation);
    refuseStray(extra);
    const facts = await collectFacts({
      config,
      context,
      clock: openClock(),
      lookSeconds: secondsOf(extra['seconds'], DEFAULT_LOOK_SECONDS),
      configFile,
    });
    const findings = diagnose(facts);
    const paint = paintOf(wantsColour(context.stdout, context));
    context.stdout.write(
      wantsJson(invocation)
        ? `${JSON.stringify(documentOf(facts, findings, context.version), null, 2)}\n`
        : formatFindings(findings, paint),
    );
    return hasProblem(findings) ? EXIT_PROBLEM : 0;
  },
};

function refuseStray(extra: Invocation['extra']): void {
  const stray = ['idleWatts', 'loadWatts', 'meterPercent', 'idleReadings', 'loadReadings'].find(
    (name) => extra[name] !== undefined,
  );
  if (stray === undefined) return;
  const flag = `--${stray.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new UsageError(`${flag} is for a calibration: say of which GPU with --calibrate UUID.`);
}

/** A duration of an option of doctor's own. @throws UsageError */
export function secondsOf(text: string | boolean | undefined, usual: number): number {
  if (text === undefined) return usual;
  const seconds = Number(text);
  if (Number.isFinite(seconds) && seconds > 0) return seconds;
  throw new UsageError(`--seconds must be a number above 0, not ${JSON.stringify(text)}.`);
}

function documentOf(facts: DoctorFacts, findings: readonly Finding[], version: string): object {
  const count = (severity: Finding['severity']): number =>
    findings.filter((finding) => finding.severity === severity).length;
  return {
    schema: 'wattmeter.doctor/1',
    generatedAt: new Date(toUnixMilliseconds(wallNow())).toISOString(),
    version,
    problemCount: count('problem'),
    noteCount: count('note'),
    findings,
    facts,
  };
}
