/** What makes a reply's HTML inert, in the order that it is applied. */
import { harden } from 'rehype-harden';
import { defaultRehypePlugins, type StreamdownProps } from 'streamdown';

type Plugins = NonNullable<StreamdownProps['rehypePlugins']>;

function named(name: string): Plugins[number] {
  const plugin = defaultRehypePlugins[name];
  if (!plugin) throw new Error(`streamdown has no rehype plugin ${name}`);
  return plugin;
}

interface HtmlNode {
  properties?: Record<string, unknown>;
  children?: HtmlNode[];
}

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
  named('raw'),
  // An allow-list of elements and attributes: no script, style, frame, form, handler.
  named('sanitize'),
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
];
