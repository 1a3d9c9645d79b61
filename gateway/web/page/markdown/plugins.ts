/** What makes elements of a reply's text, and its HTML inert, in the order that it is applied. */
import { harden } from 'rehype-harden';
import { defaultRehypePlugins, defaultRemarkPlugins, type StreamdownProps } from 'streamdown';
import { caret, directions, type HtmlNode } from './finish.ts';
import { htmlSyntax } from './htmlSyntax.ts';
import { said } from './said.ts';
import { signSyntax } from './signSyntax.ts';

type Plugins = NonNullable<StreamdownProps['rehypePlugins']>;

/** A plugin that streamdown brings, its options changed. */
function named<T extends object>(
  plugins: Record<string, Plugins[number]>,
  name: string,
  changed: (options: T) => T = (options) => options,
): Plugins[number] {
  const plugin = plugins[name];
  if (!plugin) throw new Error(`streamdown has no plugin ${name}`);
  return Array.isArray(plugin) ? ([plugin[0], changed(plugin[1] as T)] as Plugins[number]) : plugin;
}

export const remarkPlugins: Plugins = [
  // A single tilde says "to" in `3~5`.
  named(defaultRemarkPlugins, 'gfm', (options) => ({ ...options, singleTilde: false })),
  named(defaultRemarkPlugins, 'codeMeta'),
  htmlSyntax,
  signSyntax,
  said as Plugins[number],
];

/** An id that a reply chose could stand in for one of the page's own. Footnotes get theirs from the parser. */
function withoutIds() {
  return strip;
}

function strip(node: HtmlNode): void {
  const id = node.properties?.id;
  if (node.properties && !(typeof id === 'string' && id.startsWith('user-content-'))) delete node.properties.id;
  node.children?.forEach(strip);
}

export const rehypePlugins: Plugins = [
  named(defaultRehypePlugins, 'raw'),
  // An allow-list of elements and attributes: no script, style, frame, form, handler.
  named<{ tagNames?: string[] }>(defaultRehypePlugins, 'sanitize', (schema) => ({
    ...schema,
    tagNames: [...(schema.tagNames ?? []), 'mark', 'small', 'u'],
  })),
  withoutIds,
  [
    harden,
    {
      allowedLinkPrefixes: ['*'],
      allowedImagePrefixes: ['*'],
      allowedProtocols: ['http:', 'https:', 'mailto:', 'tel:'],
      allowDataImages: false,
      linkBlockPolicy: 'text-only',
      imageBlockPolicy: 'text-only',
    },
  ],
  directions,
];

/** Of the block that is being written. */
export const liveRehypePlugins: Plugins = [...rehypePlugins, caret];
