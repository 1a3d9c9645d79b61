/** Loaded with the first Chinese, Japanese or Korean character: emphasis and links beside full-width marks. */
import { createCjkPlugin } from '@streamdown/cjk';
import type { CjkPlugin } from 'streamdown';

const cjk = createCjkPlugin();

/** A single tilde says "to" in `3~5`. Of these plugins only strikethrough has an option of that name. */
const eastAsian: CjkPlugin = {
  ...cjk,
  remarkPluginsAfter: cjk.remarkPluginsAfter.map((plugin) => [
    plugin,
    { singleTilde: false },
  ]) as CjkPlugin['remarkPlugins'],
};
export default eastAsian;
