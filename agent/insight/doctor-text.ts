// Doctor's findings on a terminal, within 80 columns: what is wrong first to see, alike findings of many GPUs together.

import { plain, pad, wrap } from '../display/line.ts';
import { FINDING_AREAS, type Finding, type FindingArea, type Severity } from './doctor.ts';

const WIDTH = 80;
const MARKS: Readonly<Record<Severity, string>> = { ok: 'ok', note: 'note', problem: 'PROBLEM' };
const MARK_WIDTH = 7;
const INDENT = ' '.repeat(MARK_WIDTH + 4);
const NAMED_THINGS = 3;

const TITLES: Readonly<Record<FindingArea, string>> = {
  driver: 'Driver',
  permissions: 'Permissions',
  devices: 'Devices',
  observer: 'Observer',
  clock: 'Clock',
  storage: 'Storage',
  network: 'Network',
  configuration: 'Configuration',
};

/** How a piece of text stands out; the identity where there is no colour. */
type Paint = (text: string, emphasis: 'strong' | 'faint' | 'alarm') => string;

/** The findings as text, ending in a line break. */
export function formatFindings(findings: readonly Finding[], paint: Paint): string {
  const blocks = FINDING_AREAS.flatMap((area) => {
    const lines = together(findings.filter((finding) => finding.area === area)).flatMap((finding) =>
      linesOf(finding, paint),
    );
    return lines.length === 0 ? [] : [[paint(TITLES[area], 'strong'), ...lines].join('\n')];
  });
  return `${[...blocks, summary(findings)].join('\n\n')}\n`;
}

function linesOf({ severity, thing, cause, mend }: Finding, paint: Paint): string[] {
  const mark = pad(MARKS[severity], MARK_WIDTH);
  const painted = severity === 'ok' ? paint(mark, 'faint') : paint(mark, 'alarm');
  // The mend may go on a command line: it keeps its words, the text around it is wrapped.
  const [first = '', ...rest] = wrap(sentenceOf(plain(thing), plain(cause)), WIDTH - INDENT.length);
  const mended =
    mend === undefined
      ? []
      : wrap(plain(mend), WIDTH - INDENT.length - 2).map((line, at) =>
          at === 0 ? `${INDENT}> ${line}` : `${INDENT}  ${line}`,
        );
  return [`  ${painted}  ${first}`, ...rest.map((line) => INDENT + line), ...mended];
}

/** A cause goes on from its thing, unless it is a sentence of somebody else's. */
function sentenceOf(thing: string, cause: string): string {
  const isSentence = /^\p{Lu}/u.test(cause);
  const text = isSentence ? `${thing.replace(/:$/, '')}: ${cause}` : `${thing} ${cause}`;
  const said = cause.startsWith(thing) ? cause : text;
  return /[.?!]$/.test(said) ? said : `${said}.`;
}

/** Findings that differ in the thing alone become one that names them all. */
function together(findings: readonly Finding[]): Finding[] {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const key = JSON.stringify([finding.code, finding.cause, finding.mend]);
    groups.set(key, [...(groups.get(key) ?? []), finding]);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const things = [...new Set(group.map(({ thing }) => thing))];
    const more = things.length - NAMED_THINGS;
    const named = things.slice(0, NAMED_THINGS).join(', ');
    return [
      {
        ...first,
        thing: more > 0 ? `${named} and ${more} more:` : things.length > 1 ? `${named}:` : named,
      },
    ];
  });
}

function summary(findings: readonly Finding[]): string {
  const count = (severity: Severity): number =>
    findings.filter((finding) => finding.severity === severity).length;
  const counted = (number: number, word: string): string =>
    `${number} ${word}${number === 1 ? '' : 's'}`;
  const well = `${count('ok')} ok`;
  return `${counted(count('problem'), 'problem')}, ${counted(count('note'), 'note')}, ${well}.`;
}
