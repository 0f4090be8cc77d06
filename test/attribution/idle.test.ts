// Idle power: seen where nobody was there, else a board's usual, and never more than the GPU was seen to draw.

import { expect, test } from 'vitest';

import { createIdleModel, type IdleModel } from '../../agent/attribution/idle.ts';
import { watts } from '../../agent/units.ts';
import { device, interval } from '../account-doubles.ts';

const H200 = { ...device('GPU-a'), powerLimitWatts: watts(700) };

function seconds(model: IdleModel, count: number, power: number, isEmpty: boolean): void {
  for (let at = 0; at < count; at += 1) {
    model.add(interval({ at, energyJoules: power }), isEmpty);
  }
}

test('a board that nobody has seen idle has the usual idle power, assumed', () => {
  expect(createIdleModel().powerOf(H200)).toEqual({ powerWatts: 84, provenance: 'assumed' });
  expect(createIdleModel().powerOf(device('GPU-a')).provenance).toBe('assumed');
});

test('ten seconds without a process measure it, and the lowest counts', () => {
  const model = createIdleModel();
  seconds(model, 9, 75, true);
  expect(model.powerOf(H200).provenance).toBe('assumed');
  seconds(model, 1, 75, true);
  expect(model.powerOf(H200)).toEqual({ powerWatts: 75, provenance: 'measured' });
  seconds(model, 10, 90, true);
  expect(model.powerOf(H200).powerWatts).toBe(75);
  seconds(model, 10, 70, true);
  expect(model.powerOf(H200).powerWatts).toBe(70);
});

test('a single glitch of a second is not idle power', () => {
  const model = createIdleModel();
  seconds(model, 9, 75, true);
  seconds(model, 1, 1.2, true);
  expect(model.powerOf(H200).powerWatts).toBeGreaterThan(60);
});

test('time with processes interrupts the empty stretch, but bounds what is assumed', () => {
  const model = createIdleModel();
  seconds(model, 9, 75, true);
  seconds(model, 20, 60, false);
  seconds(model, 9, 75, true);
  expect(model.powerOf(H200)).toEqual({ powerWatts: 60, provenance: 'assumed' });
});

test('an empty list beside a loaded GPU is not believed', () => {
  const model = createIdleModel();
  seconds(model, 20, 600, true);
  expect(model.powerOf(H200)).toEqual({ powerWatts: 84, provenance: 'assumed' });
});

test('gaps and the mean of a bridged hole teach nothing', () => {
  const model = createIdleModel();
  for (let at = 0; at < 30; at += 1) {
    model.add(interval({ at, energyJoules: 0, observed: 0, gap: 1 }), true);
    model.add(interval({ at, energyJoules: 10, bridged: 1 }), true);
  }
  expect(model.memory()).toEqual({});
});

test('what was learnt outlives a restart', () => {
  const model = createIdleModel();
  seconds(model, 10, 75, true);
  expect(createIdleModel(model.memory()).powerOf(H200)).toEqual(model.powerOf(H200));
});
