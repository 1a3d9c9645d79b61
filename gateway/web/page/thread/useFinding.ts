/** Looks for a text in the conversation that is shown, and goes from one place to the next. */
import { type RefObject, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { VirtualizerHandle } from 'virtua';
import type { ChatMessage } from '../../client/index.js';
import { Matches, patternOf, rangesIn } from './matches.ts';
import { reveal } from './reveal.ts';

/** What a conversation was opened for: a text, in the message that it was found in. */
export interface Wanted {
  query: string;
  generationId: string | null;
  role: ChatMessage['role'];
}

export interface Finding {
  query: string;
  /** The number of the place that is shown, from 1 on; 0 for none. */
  at: number;
  count: number;
  /** The message that is shown, where the text is not drawn as it was found. */
  messageId: string | null;
  look(query: string): void;
  go(step: 1 | -1): void;
}

interface Shown {
  query: string;
  at: number;
  messageId: string | null;
}

const FOUND = 'headrace-found';
const CURRENT = 'headrace-current';

export function useFinding(
  messages: readonly ChatMessage[],
  wanted: Wanted | null,
  view: RefObject<HTMLElement | null>,
  list: RefObject<VirtualizerHandle | null>,
  letGo: () => void,
): Finding {
  const [shown, setShown] = useState<Shown>({ query: wanted?.query ?? '', at: -1, messageId: null });
  const { query } = shown;
  const pattern = useMemo(() => patternOf(query), [query]);
  const finder = useMemo(() => pattern && new Matches(pattern), [pattern]);
  const matches = useMemo(() => finder?.in(messages) ?? [], [finder, messages]);
  const going = useRef<AbortController | null>(null);
  const latest = useRef({ messages, matches, pattern });
  latest.current = { messages, matches, pattern };

  const show = useCallback(
    async (at: number, messageId: string | null) => {
      const { messages, matches, pattern } = latest.current;
      const match = matches[at] ?? null;
      const id = match?.messageId ?? messageId;
      const index = messages.findIndex((message) => message.id === id);
      if (!view.current || id === null || index < 0) return;
      going.current?.abort();
      going.current = new AbortController();
      const { signal } = going.current;
      letGo();
      const range = await reveal(view.current, list, { messageId: id, index, match, pattern }, signal);
      if (!signal.aborted) mark(CURRENT, range ? [range] : []);
    },
    [view, list, letGo],
  );

  // Once: later the same message is where its reader has left it.
  const isSought = useRef(wanted !== null);
  useEffect(() => {
    if (!isSought.current || !wanted || messages.length === 0) return;
    isSought.current = false;
    const isIt = ({ role, generationId }: ChatMessage) => role === wanted.role && generationId === wanted.generationId;
    const found = messages.findLast(isIt);
    if (!found) return;
    const at = latest.current.matches.findIndex(({ messageId }) => messageId === found.id);
    setShown((before) => ({ ...before, at, messageId: found.id }));
    void show(at, found.id);
  }, [messages, wanted, show]);

  const look = useCallback((next: string) => {
    going.current?.abort();
    mark(CURRENT, []);
    setShown({ query: next, at: -1, messageId: null });
  }, []);
  const go = useCallback(
    (step: 1 | -1) => {
      const { matches } = latest.current;
      if (matches.length === 0) return;
      setShown((before) => {
        const from = before.at < 0 && step < 0 ? 0 : before.at;
        const at = (from + step + matches.length) % matches.length;
        queueMicrotask(() => void show(at, null));
        return { ...before, at, messageId: matches[at]?.messageId ?? null };
      });
    },
    [show],
  );

  useEffect(() => {
    const root = view.current;
    if (!pattern || !root) return;
    let frame = 0;
    const draw = () => {
      frame = 0;
      mark(
        FOUND,
        [...root.querySelectorAll('.message')].flatMap((message) => rangesIn(message, pattern)),
      );
    };
    const soon = () => {
      frame ||= requestAnimationFrame(draw);
    };
    const observer = new MutationObserver(soon);
    observer.observe(root, { childList: true, subtree: true, characterData: true });
    soon();
    return () => {
      observer.disconnect();
      cancelAnimationFrame(frame);
      mark(FOUND, []);
      mark(CURRENT, []);
    };
  }, [pattern, view]);
  useEffect(() => () => going.current?.abort(), []);
  return { query, at: shown.at + 1, count: matches.length, messageId: shown.messageId, look, go };
}

/** Drawn by the browser, so that no element of a message changes; older browsers have the message's mark alone. */
function mark(name: string, ranges: Range[]): void {
  if (typeof Highlight === 'undefined') return;
  if (ranges.length === 0) {
    CSS.highlights.delete(name);
    return;
  }
  const highlight = new Highlight(...ranges);
  // Otherwise what was drawn last would be on top.
  if (name === CURRENT) highlight.priority = 1;
  CSS.highlights.set(name, highlight);
}
