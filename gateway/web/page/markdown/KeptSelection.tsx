import { Component, type ReactNode } from 'react';

/** A place in a block: so many characters after its beginning. */
interface Place {
  block: Element;
  offset: number;
}

interface Kept {
  selection: Selection;
  anchor: Place | Node;
  anchorOffset: number;
  focus: Place | Node;
  focusOffset: number;
  before: readonly [Node | null, number, Node | null, number];
}

/** What is selected stays selected while *children* are written on: a text that is set anew would lose it. */
export class KeptSelection extends Component<{ children: ReactNode }> {
  override getSnapshotBeforeUpdate(): Kept | null {
    const selection = document.getSelection();
    const { anchorNode, anchorOffset = 0, focusNode, focusOffset = 0 } = selection ?? {};
    if (!selection || selection.isCollapsed || !anchorNode || !focusNode) return null;
    const anchor = placeOf(anchorNode, anchorOffset);
    const focus = placeOf(focusNode, focusOffset);
    if (!anchor && !focus) return null;
    const before = [anchorNode, anchorOffset, focusNode, focusOffset] as const;
    return { selection, anchor: anchor ?? anchorNode, anchorOffset, focus: focus ?? focusNode, focusOffset, before };
  }

  override componentDidUpdate(_props: object, _state: object, kept: Kept | null): void {
    if (!kept) return;
    const { selection, before } = kept;
    const now = [selection.anchorNode, selection.anchorOffset, selection.focusNode, selection.focusOffset];
    if (before.every((part, index) => part === now[index])) return;
    const anchor = pointAt(kept.anchor, kept.anchorOffset);
    const focus = pointAt(kept.focus, kept.focusOffset);
    if (anchor && focus) selection.setBaseAndExtent(...anchor, ...focus);
  }

  override render(): ReactNode {
    return this.props.children;
  }
}

function placeOf(node: Node, offset: number): Place | null {
  const block = (node instanceof Element ? node : node.parentElement)?.closest('.block, .paragraph, .code');
  if (!block) return null;
  const before = document.createRange();
  before.setStart(block, 0);
  before.setEnd(node, offset);
  return { block, offset: before.toString().length };
}

function pointAt(place: Place | Node, offset: number): [Node, number] | null {
  if (place instanceof Node) return place.isConnected ? [place, offset] : null;
  const texts = document.createTreeWalker(place.block, NodeFilter.SHOW_TEXT);
  let left = place.offset;
  let last: Text | null = null;
  while (texts.nextNode()) {
    last = texts.currentNode as Text;
    if (left <= last.length) return [last, left];
    left -= last.length;
  }
  return last && [last, last.length];
}
