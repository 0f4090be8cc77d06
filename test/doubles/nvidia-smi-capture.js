// Plays the nvidia-smi of a machine that somebody recorded: nvidia-smi-capture.js CAPTURE ARGS… answers ARGS out of
// CAPTURE, which is a recording of many commands (title, command and answer of each between lines of #), or the XML of
// `nvidia-smi -q -x`, whose values stand for the rows that a query would have had. Under load, where both were recorded.

import { readFileSync } from 'node:fs';

const [capture, ...args] = process.argv.slice(2);
const text = readFileSync(capture, 'utf8').replaceAll('\r\n', '\n');
const isXml = text.trimStart().startsWith('<?xml') || text.includes('<nvidia_smi_log>');
const machine = isXml ? machineOfXml() : machineOfSections();

const option = (name) => args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);

if (args.includes('--help-query-gpu')) console.log(machine.help);
else if (args.includes('-x')) console.log(machine.xml);
else if (option('--query-gpu') === undefined) process.exitCode = 1;
else {
  const fields = option('--query-gpu').split(',');
  const unknown = fields.find((field) => !machine.fields.includes(field));
  if (unknown !== undefined) {
    console.log(`Field "${unknown}" is not a valid field to query.`);
    process.exitCode = 2;
  } else {
    const lines = machine.gpus.map((gpu) => fields.map((field) => gpu[field]).join(', '));
    const print = () => process.stdout.write(`${lines.join('\n')}\n`);
    print();
    const period = args[args.indexOf('-lms') + 1];
    if (args.includes('-lms')) setInterval(print, Number(period));
  }
}

/** A cell as `--format=csv,nounits` has it. */
function withoutUnit(cell) {
  return /^-?[\d.]+(?= (?:W|MiB|MHz|%)$)/.exec(cell)?.[0] ?? cell;
}

function machineOfSections() {
  const sections = new Map(
    [...text.matchAll(/^#{80}\n# (.+)\n(?:#.*\n)*?#{80}\n([^]*?)(?=^#{80}\n|$(?![^]))/gm)].map(
      ([, title, answer]) => [title, answer],
    ),
  );
  const answerOf = (start) => {
    const title = [...sections.keys()].find((one) => one.startsWith(start));
    return title === undefined ? undefined : sections.get(title);
  };
  const help = answerOf('capabilities :: help-query-gpu');
  const csv = answerOf('load :: query-gpu') ?? answerOf('idle :: query-gpu');
  const [header, ...rows] = csv.split('\n').filter((line) => line.includes(', '));
  const fields = header.split(', ').map((title) => title.replace(/ \[[^\]]+\]$/, ''));
  const gpus = rows.map((row) => {
    const cells = row.split(', ').map(withoutUnit);
    return Object.fromEntries(fields.map((field, at) => [field, cells[at]]));
  });
  return { help, fields, gpus };
}

function machineOfXml() {
  const inside = (block, tag) =>
    new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(block ?? '')?.[1]?.trim();
  const powers = (block) => inside(block, 'gpu_power_readings') ?? inside(block, 'power_readings');
  const power =
    (...tags) =>
    (block) =>
      tags.map((tag) => inside(powers(block), tag)).find(Boolean);
  const within = (outer, tag) => (block) => inside(inside(block, outer), tag);
  const read = {
    timestamp: () => '2026/01/01 00:00:00.000',
    index: (_block, at) => String(at),
    uuid: (block) => inside(block, 'uuid'),
    'power.draw': power('power_draw', 'average_power_draw'),
    'power.draw.average': power('average_power_draw'),
    'power.draw.instant': power('instant_power_draw'),
    'utilization.gpu': within('utilization', 'gpu_util'),
    'memory.used': within('fb_memory_usage', 'used'),
    'memory.total': within('fb_memory_usage', 'total'),
    'temperature.gpu': (block) => within('temperature', 'gpu_temp')(block)?.replace(/ C$/, ''),
    'clocks.current.sm': within('clocks', 'sm_clock'),
    'enforced.power.limit': power('enforced_power_limit', 'current_power_limit'),
    'power.default_limit': power('default_power_limit'),
    driver_version: () => inside(text, 'driver_version'),
    'pci.bus_id': (block) => /^"([^"]+)"/.exec(block)?.[1],
    name: (block) => inside(block, 'product_name'),
  };
  const blocks = text.split('<gpu id=').slice(1);
  const fields = Object.keys(read).filter((field) => read[field](blocks[0], 0) !== undefined);
  const gpus = blocks.map((block, at) => {
    const cell = (field) => withoutUnit(read[field](block, at) ?? 'N/A');
    // A query puts what it has no number for in brackets.
    const bracketed = (value) => (/^(?:N\/A|Requested )/.test(value) ? `[${value}]` : value);
    return Object.fromEntries(fields.map((field) => [field, bracketed(cell(field))]));
  });
  return { help: fields.map((field) => `"${field}"`).join('\n'), fields, gpus, xml: text };
}
