import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { embedded, katexFonts } from './page/vite/embedded.ts';
import { LICENCES, licensed } from './page/vite/licensed.ts';
import { alias } from './vite.config.ts';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * The npm package: ESM for browsers and Node, and one stylesheet with its fonts. What the page is made of comes
 * along, in parts that are loaded when they are wanted. Its types come from `tsconfig.lib.json`.
 */
export default defineConfig({
  publicDir: false,
  base: './',
  plugins: [katexFonts(), licensed()],
  resolve: { alias },
  css: { postcss: { plugins: [embedded()] } },
  build: {
    outDir: 'dist/lib',
    license: { fileName: LICENCES },
    target: 'es2022',
    minify: false,
    sourcemap: true,
    chunkSizeWarningLimit: 1200,
    lib: {
      entry: {
        'client/index': at('client/index.ts'),
        'react/index': at('react/index.ts'),
        // Nothing but the stylesheet comes of it.
        'parts/styles': at('page/styles/embedded.ts'),
      },
      formats: ['es'],
      cssFileName: 'styles',
    },
    rolldownOptions: {
      external: [/^react(-dom)?(\/|$)/, 'eventsource-parser'],
      output: {
        chunkFileNames: 'parts/[name]-[hash].js',
        assetFileNames: ({ names }) => (names[0]?.endsWith('.css') ? 'styles.css' : 'fonts/[name][extname]'),
        // For frameworks that render on a server too.
        banner: ({ name }) => (name === 'react/index' ? "'use client';" : ''),
      },
    },
  },
});
