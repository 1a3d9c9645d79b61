/** Brings a message, and a text in it, into view: also what is drawn only once it is near. */
import type { RefObject } from 'react';
import type { VirtualizerHandle } from 'virtua';
import { type Match, rangesIn } from './matches.ts';

/** Frames after which what does not appear is not drawn as it was written: the message itself must do. */
const MOST_FRAMES = 90;
/** Frames in which nothing has moved any more. */
const STILL_FRAMES = 4;

export interface Place {
  messageId: string;
  index: number;
  match: Match | null;
  pattern: RegExp | null;
}

/** Resolves with the text's range, null where the message alone was found. Ends early with *signal*. */
export async function reveal(
  view: HTMLElement,
  list: RefObject<VirtualizerHandle | null>,
  { messageId, index, match, pattern }: Place,
  signal: AbortSignal,
): Promise<Range | null> {
  let still = 0;
  let range: Range | null = null;
  list.current?.scrollToIndex(index, { align: 'start' });
  for (let frame = 0; frame < MOST_FRAMES && still < STILL_FRAMES; frame += 1) {
    await new Promise(requestAnimationFrame);
    if (signal.aborted) return null;
    const element = view.querySelector(`[data-message="${CSS.escape(messageId)}"]`);
    if (!element) {
      list.current?.scrollToIndex(index, { align: 'start' });
      continue;
    }
    range = match && pattern ? nearest(rangesIn(element, pattern), element, match) : null;
    if (range) unfold(range);
    still = center(view, range, element, match) ? still + 1 : 0;
  }
  return range;
}

function nearest(ranges: readonly Range[], element: Element, { nth, count, depth }: Match): Range | null {
  if (ranges.length === count) return ranges[nth] ?? null;
  const { top, height } = element.getBoundingClientRect();
  const distance = (range: Range) => Math.abs(range.getBoundingClientRect().top - top - depth * height);
  return ranges.toSorted((a, b) => distance(a) - distance(b))[0] ?? null;
}

/** A long message shows its beginning alone until it is asked for all of it. */
function unfold(range: Range): void {
  const folded = range.startContainer.parentElement?.closest('.folded');
  const room = folded?.getBoundingClientRect();
  if (room && range.getBoundingClientRect().bottom > room.bottom)
    folded?.parentElement?.querySelector('button')?.click();
}

/** Whether it stood there already. */
function center(view: HTMLElement, range: Range | null, element: Element, match: Match | null): boolean {
  const room = view.getBoundingClientRect();
  const box = element.getBoundingClientRect();
  const found = range?.getBoundingClientRect();
  // Without the text itself, where it should be; without one, the message's beginning.
  const at = found ? found.top + found.height / 2 : match ? box.top + match.depth * box.height : box.top;
  const wanted = room.top + room.height * (found || match ? 0.4 : 0.1);
  const before = view.scrollTop;
  view.scrollTop += at - wanted;
  const isStill = Math.abs(view.scrollTop - before) < 1;
  return isStill && (found !== undefined || match === null);
}
