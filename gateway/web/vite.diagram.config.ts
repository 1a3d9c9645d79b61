/** What draws diagrams: one script for a frame of its own, which no page loads before a reply has a diagram. */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';
import { compressed } from './page/vite/compressed.ts';

export default defineConfig({
  publicDir: false,
  plugins: [compressed({ only: /^diagram\.js$/ })],
  define: { 'process.env.NODE_ENV': '"production"' },
  build: {
    outDir: 'dist/page',
    emptyOutDir: false,
    target: 'es2022',
    reportCompressedSize: false,
    chunkSizeWarningLimit: 5000,
    lib: {
      entry: fileURLToPath(new URL('page/diagram/frame.ts', import.meta.url)),
      formats: ['iife'],
      name: 'diagram',
      fileName: () => 'diagram.js',
    },
  },
});
