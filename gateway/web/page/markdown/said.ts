/** Gives back what a parser of markdown would drop from a reply: stray tags, dead links, notes nobody refers to. */
import { linkAddress } from './addresses.ts';
import { withoutStrays } from './tags.ts';

interface Point {
  offset?: number;
}

export interface MarkdownNode {
  type: string;
  value?: string;
  url?: string;
  identifier?: string;
  align?: (string | null)[];
  children?: MarkdownNode[];
  position?: { start: Point; end: Point };
}

/** Of a link that is still being written. */
const UNFINISHED = /^streamdown:/;

/** A remark plugin. */
export function said(): (tree: MarkdownNode, file: unknown) => void {
  return (tree, file) => {
    strayTags(tree);
    visit(tree, String(file), referred(tree));
  };
}

function strayTags(tree: MarkdownNode): void {
  const pieces = all(tree, 'html');
  const kept = withoutStrays(pieces.map(({ value = '' }) => value));
  for (const [index, piece] of pieces.entries()) piece.value = kept[index] ?? '';
}

/** The names of what something refers to and that leads somewhere. */
function referred(tree: MarkdownNode): ReadonlySet<string> {
  const dead = all(tree, 'definition').filter(({ url }) => isDead(url));
  const deadNames = new Set(dead.map(nameOf));
  const names = REFERENCES.flatMap((type) => all(tree, type)).map(nameOf);
  return new Set(names.filter((name) => !deadNames.has(name)));
}

const REFERENCES = ['linkReference', 'imageReference', 'footnoteReference'];

function nameOf({ type, identifier = '' }: MarkdownNode): string {
  return `${type.startsWith('footnote') ? '^' : ''}${identifier}`;
}

function all(node: MarkdownNode, type: string): MarkdownNode[] {
  const own = node.type === type ? [node] : [];
  return [...own, ...(node.children ?? []).flatMap((child) => all(child, type))];
}

function visit(node: MarkdownNode, source: string, known: ReadonlySet<string>): void {
  if (node.type === 'table') widen(node);
  node.children = node.children?.flatMap((child) => {
    visit(child, source, known);
    if (child.type === 'html' && isFlow(node) && !/<[a-z/]/i.test(child.value ?? '')) return [paragraph([child])];
    return isLost(child, known) ? asText(child, source) : [child];
  }) as MarkdownNode[];
  if (!node.children) delete node.children;
}

function isFlow({ type }: MarkdownNode): boolean {
  return type === 'root' || type === 'blockquote' || type === 'listItem';
}

/** The cells of a row for which the header has none. */
function widen(table: MarkdownNode): void {
  const columns = Math.max(...(table.children ?? []).map((row) => row.children?.length ?? 0));
  table.align = Array.from({ length: columns }, (_, index) => table.align?.[index] ?? null);
}

function isLost(node: MarkdownNode, known: ReadonlySet<string>): boolean {
  if (node.type === 'link') return isDead(node.url);
  if (node.type === 'image') return isDead(node.url) && !/^data:/i.test(node.url ?? '');
  return /(?:efinition|Reference)$/.test(node.type) && !known.has(nameOf(node));
}

/** Whether a link would lead nowhere. */
function isDead(url = ''): boolean {
  return linkAddress(url) === null && !UNFINISHED.test(url);
}

/** *node* as it was written, but for what is markup within it. */
function asText(node: MarkdownNode, source: string): MarkdownNode[] {
  const { start, end } = node.position ?? {};
  const children = node.children ?? [];
  const first = children[0]?.position?.start.offset ?? end?.offset;
  const last = children.at(-1)?.position?.end.offset ?? end?.offset;
  const before = text(source.slice(start?.offset, first));
  const after = text(source.slice(last, end?.offset));
  if (node.type === 'definition') return [paragraph([before])];
  if (node.type === 'footnoteDefinition') return [paragraph([before]), ...children];
  return [before, ...children, after];
}

function text(value: string): MarkdownNode {
  return { type: 'text', value };
}

function paragraph(children: MarkdownNode[]): MarkdownNode {
  return { type: 'paragraph', children };
}
