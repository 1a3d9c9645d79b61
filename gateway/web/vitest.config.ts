import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['client/tests/*.test.ts', 'react/tests/*.test.tsx', 'page/**/*.test.{ts,tsx}'],
    testTimeout: 30_000,
    // Most of their time they wait; left to itself, Vitest runs one file at a time on two cores.
    maxWorkers: 4,
    restoreMocks: true,
    unstubGlobals: true,
  },
});
