import { useWords } from '../words/words.ts';

/** When a message was said: the time of today, else the day; all of it for who asks. */
export function Time({ ms }: { ms: number }) {
  const { language } = useWords();
  const date = new Date(ms);
  const isToday = date.toDateString() === new Date().toDateString();
  const short = new Intl.DateTimeFormat(language, isToday ? { timeStyle: 'short' } : { dateStyle: 'medium' });
  const long = new Intl.DateTimeFormat(language, { dateStyle: 'full', timeStyle: 'medium' });
  return (
    <time className="facts" dateTime={date.toISOString()} title={long.format(date)}>
      {short.format(date)}
    </time>
  );
}
