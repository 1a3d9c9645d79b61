/** Builds the chat page into dist/page: files only, nothing inline, so that a strict content policy holds. */
import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { compressed } from './page/vite/compressed.ts';
import { LICENCES, licensed } from './page/vite/licensed.ts';
import { weighed } from './page/vite/weighed.ts';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const gateway = process.env.HEADRACE_URL ?? 'http://127.0.0.1:8000';

/** Shiki's own entry brings over two hundred languages, most of them never asked about. */
export const alias = [
  { find: /^shiki$/, replacement: at('page/markdown/languages.ts') },
  { find: /^hast-util-from-html-isomorphic$/, replacement: at('page/markdown/html.ts') },
];

export default defineConfig({
  root: at('page'),
  base: '/',
  plugins: [react(), weighed({ limitBytes: 110_000 }), licensed(), compressed()],
  resolve: { alias },
  build: {
    outDir: at('dist/page'),
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    license: { fileName: LICENCES },
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 900,
    rolldownOptions: {
      output: {
        // All that a first look needs is one piece, which packs better; so is what its messages need.
        codeSplitting: {
          groups: [
            { name: 'page', tags: ['$initial'], priority: 1 },
            { name: 'messages', test: /\/virtua\/|\/page\/thread\/(?:MessageList|Bubble|Time)\.|\/app\/CopyButton\./ },
          ],
        },
      },
    },
  },
  server: { proxy: { '/api': gateway, '/v1': gateway, '/ws': { target: gateway, ws: true } } },
  preview: { proxy: { '/api': gateway, '/v1': gateway } },
});
