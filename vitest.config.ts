import { availableParallelism } from 'node:os';

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Some integration tests start real programs (Prometheus, Chromium, a C compiler) on a shared two-core machine.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Live tests measure real processes by real clocks. Where the gate shares its machine, one that a neighbour pushed
    // past its bound is tried once more, and the reporter says so; at a developer's desk it fails.
    retry: process.env['CI'] === 'true' ? 1 : 0,
    // Live tests mostly wait. One file at a time, which is what two cores get otherwise, takes a quarter of an hour.
    maxWorkers: Math.max(2, Math.floor(availableParallelism() / 2)),
    globalSetup: ['test/global-setup.ts'],
  },
});
