/** What makes a reply's HTML inert, in the order that it is applied. */
import { harden } from 'rehype-harden';
import { defaultRehypePlugins, type StreamdownProps } from 'streamdown';

type Plugins = NonNullable<StreamdownProps['rehypePlugins']>;

function named(name: string): Plugins[number] {
  const plugin = defaultRehypePlugins[name];
  if (!plugin) throw new Error(`streamdown has no rehype plugin ${name}`);
  return plugin;
}

export const rehypePlugins: Plugins = [
  named('raw'),
  // An allow-list of elements and attributes: no script, style, frame, form, handler.
  named('sanitize'),
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
