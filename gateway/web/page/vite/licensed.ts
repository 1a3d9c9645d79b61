/** Puts the licences of all that was bundled beside it, for readers: `licences.txt`, made of what vite lists. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Plugin } from 'vite';

/** Vite's own list (`build.license`), which is read for the bill of materials. */
export const LICENCES = 'licences.json';

interface Licence {
  name: string;
  version: string;
  identifier: string | null;
  text: string | null;
}

export function licensed(): Plugin {
  let folder = '';
  return {
    name: 'headrace:licensed',
    apply: 'build',
    configResolved(config) {
      folder = config.build.outDir;
    },
    async writeBundle() {
      const listed: Licence[] = JSON.parse(await readFile(join(folder, LICENCES), 'utf8'));
      const said = listed.map(({ name, version, identifier, text }) =>
        [`${name} ${version} (${identifier ?? 'no identifier'})`, '', text?.trim() ?? 'No text comes with it.'].join(
          '\n',
        ),
      );
      const head = 'What is bundled here comes from these packages, under these licences.';
      await writeFile(join(folder, 'licences.txt'), `${[head, ...said].join(`\n\n${'-'.repeat(72)}\n\n`)}\n`);
    },
  };
}
