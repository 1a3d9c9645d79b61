import { defineConfig } from 'vite';

/** The npm package: ESM for browsers and Node. Its types come from `tsconfig.lib.json`. */
export default defineConfig({
  publicDir: false,
  build: {
    outDir: 'dist/lib',
    target: 'es2022',
    minify: false,
    sourcemap: true,
    lib: {
      entry: { 'client/index': 'client/index.ts', 'react/index': 'react/index.ts' },
      formats: ['es'],
    },
    rolldownOptions: { external: [/^react(\/|$)/, 'eventsource-parser'] },
  },
});
