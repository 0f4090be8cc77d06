import { expect, test } from 'vitest';

import { widthOf } from '../../agent/display/line.ts';
import { billOf } from '../../agent/report/bill.ts';
import { buildReport } from '../../agent/report/build.ts';
import { formatReport } from '../../agent/report/formats.ts';
import { changesOf } from '../../agent/report/repriced.ts';
import type { Report } from '../../agent/report/report.ts';
import { parseBill, parseReport } from '../../agent/report/schema.ts';
import { formatText } from '../../agent/report/text.ts';
import { everything, nothing, onePlain } from './books.ts';

const plain = buildReport(onePlain);
const full = buildReport(everything);
const options = [
  { option: '--pue', after: 1.2 },
  { option: '--demand-minutes', before: 15, after: 30 },
  { option: '--tariff-time-zone', after: 'Europe/Berlin' },
];
const repriced: Report = { ...full, repriced: { options, before: billOf(plain) } };

test('changesOf() is empty for a report as measured, and where the new prices are the old', () => {
  expect(changesOf(full)).toEqual([]);
  expect(changesOf({ ...full, repriced: { options: [], before: billOf(full) } })).toEqual([]);
});

test('changesOf() says before and after of all that differs, in words, and of nothing twice', () => {
  const changes = changesOf(repriced);
  const labels = changes.map(({ label }) => label);
  expect(labels).toEqual(expect.arrayContaining(['PUE', 'E_compute', 'Energy cost', 'Grid']));
  expect(labels).toEqual(expect.arrayContaining(['Cost of the run', 'Water']));
  expect(labels).toEqual(expect.arrayContaining(['demand-minutes', 'tariff-time-zone']));
  expect(labels).not.toContain('pue');
  expect(new Set(labels).size).toBe(labels.length);
  expect(changes.find(({ label }) => label === 'Grid')?.before).toBe('none');
  expect(changes.find(({ label }) => label === 'Carbon (CO2e)')?.before).toBe('not known');
  for (const { before, after } of changes) expect(before).not.toBe(after);
});

test('where the old bill is not known the options are said, and that it is not', () => {
  const unknown = { ...full, repriced: { options } };
  expect(changesOf(unknown)).toEqual([
    { label: 'pue', before: 'not given', after: '1.2' },
    { label: 'demand-minutes', before: '15', after: '30' },
    { label: 'tariff-time-zone', before: 'not given', after: 'Europe/Berlin' },
  ]);
  expect(formatText(unknown).replaceAll(/\s+/g, ' ')).toContain(
    'as measured → now; what it came to as measured was not kept',
  );
});

test('the text has the changes within 80 columns', () => {
  const text = formatText(repriced);
  expect(text).toContain('Priced anew: as measured → now\n  PUE              1 (assumed) → ');
  for (const line of text.split('\n')) expect(widthOf(line), line).toBeLessThanOrEqual(80);
});

test('the JSON has them, and is read back', async () => {
  const json = await formatReport(repriced, 'json');
  expect(parseReport(json, 'r.json').repriced).toEqual(repriced.repriced);
});

test.each([plain, full, buildReport(nothing)])('a bill survives the ledger', (report) => {
  const bill = billOf(report);
  expect(parseBill(JSON.parse(JSON.stringify(bill)))).toEqual(bill);
  expect(parseBill({ cost: 3 })).toBeUndefined();
});
