/** Before this much, what was found may be cut off by a narrow list. */
const FAR = 24;
const AROUND = 12;

/** *text* with what was looked for marked; a title begins nearer to it where it stands far in. */
export function Marked({ text, query, isTitle = false }: { text: string; query: string; isTitle?: boolean }) {
  const lower = text.toLowerCase();
  // A few letters get longer, and all places after them move.
  const at = query && lower.length === text.length ? lower.indexOf(query.toLowerCase()) : -1;
  if (at < 0) return text;
  const from = isTitle && at > FAR ? at - AROUND : 0;
  return (
    <>
      {from > 0 && '…'}
      {text.slice(from, at)}
      <mark>{text.slice(at, at + query.length)}</mark>
      {text.slice(at + query.length)}
    </>
  );
}
