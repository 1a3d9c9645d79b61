/** Loaded with the first code block. */
import { createCodePlugin } from '@streamdown/code';
import type { CodeHighlighterPlugin } from 'streamdown';

export const highlighter: CodeHighlighterPlugin = createCodePlugin({
  themes: ['github-light-high-contrast', 'github-dark-high-contrast'],
});
