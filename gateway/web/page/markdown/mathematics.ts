/** Loaded with the first formula, fonts and all. */
import { createMathPlugin } from '@streamdown/math';
import 'katex/dist/katex.min.css';

export default createMathPlugin({ errorColor: 'var(--danger)' });
