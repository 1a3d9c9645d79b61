import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['client/tests/*.test.ts', 'react/tests/*.test.tsx', 'page/**/*.test.{ts,tsx}'],
    testTimeout: 10_000,
    restoreMocks: true,
    unstubGlobals: true,
  },
});
