import type { Extension } from 'micromark-util-types';

interface Parsing {
  data(): { micromarkExtensions?: Extension[] };
}

/** Have the parser of a remark plugin, its `this`, know *syntax* too. */
export function addSyntax(plugin: unknown, syntax: Extension): void {
  const data = (plugin as Parsing).data();
  data.micromarkExtensions ??= [];
  data.micromarkExtensions.push(syntax);
}
