import { setTimeout as sleep } from 'node:timers/promises';

/** Returns once *predicate* holds; throws what it last threw, or *why*, when that takes too long. */
export async function eventually(predicate: () => boolean, why: string, withinMs = 4_000): Promise<void> {
  const until = Date.now() + withinMs;
  while (!predicate()) {
    if (Date.now() > until) throw new Error(`it never came that ${why}`);
    await sleep(2);
  }
}
