import { useEffect, useRef, useState } from 'react';
import type { ChatMessage } from '../../client/index.js';
import { isTag } from '../markdown/tags.ts';
import { useWords, type Words } from '../words/words.ts';
import { endingOf } from './failures.ts';

/** Between two announcements, so that one can be heard to its end. */
const PAUSE_MS = 4000;
const LAST_SENTENCE_END = /^[\s\S]*(?:[.!?:]["'”’)]?(?=\s)|[。！？：]["”’）]?|\n\n)/;

/** Tells a screen reader that a reply begins, what it says in whole sentences, and that it has ended. */
export function Announcer({ message }: { message: ChatMessage | undefined }) {
  const words = useWords();
  const [said, setSaid] = useState('');
  const latest = useRef(message);
  latest.current = message;
  const isLive = message?.role === 'assistant' && (message.state === 'streaming' || message.state === 'queued');
  const id = message?.id;

  useEffect(() => {
    if (!isLive) return;
    let at = 0;
    const rest = (isWhole: boolean) => {
      const text = latest.current?.id === id ? (latest.current?.content ?? '').slice(at) : '';
      const length = isWhole ? text.length : (LAST_SENTENCE_END.exec(text)?.[0].length ?? 0);
      at += length;
      return spoken(text.slice(0, length));
    };
    setSaid(words.replyStarted);
    const timer = setInterval(() => {
      const sentences = rest(false);
      if (sentences) setSaid(sentences);
    }, PAUSE_MS);
    return () => {
      clearInterval(timer);
      const ended = latest.current?.id === id ? latest.current : undefined;
      setSaid(`${rest(true)} ${spokenEnding(ended, words)}`.trim());
    };
  }, [isLive, id, words]);

  return (
    <div className="visually-hidden" role="status" aria-live="polite" aria-atomic="true">
      {said}
    </div>
  );
}

function spokenEnding(message: ChatMessage | undefined, words: Words): string {
  if (message?.state === 'failed') return words.replyFailed;
  if (message?.state === 'cancelled') return words.replyStopped;
  const ending = message && endingOf(message);
  return ending ? words.endings[ending].title : words.replyFinished;
}

/** Markdown without its marks; what only looks like one is said. */
function spoken(markdown: string): string {
  return markdown
    .replace(/```[\s\S]*?(?:```|$)/g, ' ')
    .replace(/^[\s|:-]+$/gm, ' ')
    .replace(/^\s*\|.*$/gm, (row) => row.replaceAll('|', ' '))
    .replace(/<[^<>]*>/g, (source) => (isTag(source) ? '' : source))
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/^\s*(?:#{1,6}\s|>\s?)+/gm, '')
    .replace(/`+|~~+|\*+(?=\S)|(?<=\S)\*+|(?<!\w)_+(?=\S)|(?<=\S)_+(?!\w)/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}
