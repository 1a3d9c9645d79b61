/**
 * For rehype-katex, in place of the browser's own parser: that reports every style attribute it reads to the content
 * policy, though none is applied before React sets it as a property.
 */
export { fromHtml as fromHtmlIsomorphic } from 'hast-util-from-html';
