const HUES = 6;

/** One of a few colours, the same for the same member everywhere. */
export function hueOf(userId: string): number {
  let hash = 0;
  for (const char of userId) hash = (Math.imul(hash, 31) + (char.codePointAt(0) ?? 0)) >>> 0;
  return hash % HUES;
}
