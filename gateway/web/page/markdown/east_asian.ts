/** Loaded with the first Chinese, Japanese or Korean character: emphasis and links beside full-width marks. */
import { createCjkPlugin } from '@streamdown/cjk';

export default createCjkPlugin();
