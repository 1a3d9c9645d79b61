/** Writes .gz and .br beside every text file of the build, so that the gateway never compresses one itself. */
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Plugin } from 'vite';

const TEXT = /\.(?:js|css|html|svg|json|webmanifest)$/;
/** Below this a second file saves no packet. */
const SMALL_BYTES = 1024;

/** *only*: of the files whose names say so. */
export function compressed({ only = TEXT }: { only?: RegExp } = {}): Plugin {
  let folder = '';
  return {
    name: 'headrace:compressed',
    apply: 'build',
    configResolved(config) {
      folder = config.build.outDir;
    },
    async closeBundle() {
      const paths = (await readdir(folder, { recursive: true })).filter((path) => TEXT.test(path) && only.test(path));
      await Promise.all(paths.map((path) => compress(join(folder, path))));
    },
  };
}

async function compress(path: string): Promise<void> {
  if ((await stat(path)).size < SMALL_BYTES) return;
  const whole = await readFile(path);
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 10 } };
  await Promise.all([
    promisify(gzip)(whole, { level: 9 }).then((bytes) => writeFile(`${path}.gz`, bytes)),
    promisify(brotliCompress)(whole, quality).then((bytes) => writeFile(`${path}.br`, bytes)),
  ]);
}
