import fc from 'fast-check';
import { expect, test } from 'vitest';

import { TokenBucket } from '../../exporter/rate-limit.ts';

test('a token bucket passes the burst at once, then one request per interval', () => {
  const bucket = new TokenBucket({ intervalSeconds: 2, burst: 3 }, 0);
  expect([0, 0, 0, 0, 1.9, 2, 2, 4].map((at) => bucket.take(at))).toEqual([
    true,
    true,
    true,
    false,
    false,
    true,
    false,
    true,
  ]);
});

test('a token bucket never passes more than burst + time ÷ interval', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 5, noNaN: true }), { maxLength: 200 }),
      fc.double({ min: 0.01, max: 3, noNaN: true }),
      fc.integer({ min: 1, max: 20 }),
      (pauses, intervalSeconds, burst) => {
        const bucket = new TokenBucket({ intervalSeconds, burst }, 0);
        let now = 0;
        let passed = 0;
        for (const pause of pauses) {
          now += pause;
          if (bucket.take(now)) passed += 1;
          expect(passed).toBeLessThanOrEqual(burst + now / intervalSeconds + 1e-6);
        }
      },
    ),
    { seed: 11 },
  );
});
