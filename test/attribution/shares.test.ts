// Laws of sharing: nothing is lost, nothing is made, idle power is nobody's.

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { shareEnergy } from '../../agent/attribution/shares.ts';

const amount = (max: number): fc.Arbitrary<number> => fc.double({ min: 0, max, noNaN: true });

const questions = fc.record({
  energyJoules: fc.oneof(amount(1e6), fc.double({ min: -1, max: 0, noNaN: true }), fc.constant(0)),
  observedSeconds: amount(3600),
  idleWatts: amount(1000),
  coveredRatio: amount(1),
  weights: fc.array(amount(100), { maxLength: 20 }),
});

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

test('shares and the rest add up to the energy, and none is negative', () => {
  fc.assert(
    fc.property(questions, (question) => {
      const { claimedJoules, unattributedJoules } = shareEnergy(question);
      const whole = sum(claimedJoules) + unattributedJoules;
      expect(Math.abs(whole - question.energyJoules)).toBeLessThanOrEqual(
        1e-12 * Math.max(1, Math.abs(question.energyJoules)),
      );
      expect(claimedJoules.every((share) => share >= 0)).toBe(true);
      if (question.energyJoules >= 0) expect(unattributedJoules).toBeGreaterThanOrEqual(0);
    }),
    { seed: 41, numRuns: 2000 },
  );
});

test('no job is given idle energy, or energy of a time that nobody watched', () => {
  fc.assert(
    fc.property(questions, (question) => {
      const { energyJoules, idleWatts, observedSeconds, coveredRatio } = question;
      const above = Math.max(0, energyJoules - idleWatts * observedSeconds) * coveredRatio;
      expect(sum(shareEnergy(question).claimedJoules)).toBeLessThanOrEqual(above * (1 + 1e-12));
    }),
    { seed: 42, numRuns: 1000 },
  );
});

test('shares are in proportion to the weights', () => {
  const { claimedJoules, unattributedJoules } = shareEnergy({
    energyJoules: 700,
    observedSeconds: 1,
    idleWatts: 100,
    coveredRatio: 1,
    weights: [0.6, 0.2, 0],
  });
  expect(claimedJoules).toEqual([450, 150, 0].map((share) => expect.closeTo(share, 9)));
  expect(unattributedJoules).toBeCloseTo(100, 9);
});

test('a GPU below its idle power leaves its jobs nothing, and itself everything', () => {
  expect(
    shareEnergy({
      energyJoules: 50,
      observedSeconds: 1,
      idleWatts: 70,
      coveredRatio: 1,
      weights: [1, 1],
    }),
  ).toEqual({ claimedJoules: [0, 0], unattributedJoules: 50 });
});
