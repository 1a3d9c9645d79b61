/** Loaded with the first formula, fonts and all. */
import { createMathPlugin } from '@streamdown/math';
import type { MathPlugin } from 'streamdown';
import { formulaSyntax } from './formulaSyntax.ts';
import 'katex/dist/katex.min.css';

const katex = createMathPlugin({ errorColor: 'var(--danger)' });

/** KaTeX, for formulas in all the ways that models write them. */
const mathematics: MathPlugin = { ...katex, remarkPlugin: { plugins: [katex.remarkPlugin, formulaSyntax] } };
export default mathematics;
