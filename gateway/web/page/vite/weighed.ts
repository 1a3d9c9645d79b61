/** Fails a build whose first load carries more JavaScript than is allowed. */
import { gzipSync } from 'node:zlib';
import type { Plugin, Rolldown } from 'vite';

export function weighed({ limitBytes }: { limitBytes: number }): Plugin {
  return {
    name: 'headrace:weighed',
    apply: 'build',
    generateBundle(_options, bundle) {
      const chunks = Object.values(bundle).filter((part) => part.type === 'chunk');
      const bytes = weight(chunks);
      const said = `first load: ${bytes} bytes of JavaScript, gzip`;
      if (bytes > limitBytes) this.error(`${said}; at most ${limitBytes} are allowed`);
      this.info(said);
    },
  };
}

/** Of the entry and all that it imports statically; what is imported later is not counted. */
function weight(chunks: Rolldown.OutputChunk[]): number {
  const byName = new Map(chunks.map((chunk) => [chunk.fileName, chunk]));
  const seen = new Set<string>();
  const visit = (name: string): number => {
    const chunk = byName.get(name);
    if (!chunk || seen.has(name)) return 0;
    seen.add(name);
    return gzipSync(chunk.code, { level: 9 }).length + chunk.imports.reduce((sum, next) => sum + visit(next), 0);
  };
  return chunks.filter((chunk) => chunk.isEntry).reduce((sum, chunk) => sum + visit(chunk.fileName), 0);
}
