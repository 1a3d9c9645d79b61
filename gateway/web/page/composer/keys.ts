/** What a key means in a field that is written in. */

interface Key {
  key: string;
  shiftKey: boolean;
  isComposing: boolean;
  keyCode: number;
}

/** Whether it belongs to an input method: it chooses a character. In Safari the last such key is known by its code alone. */
export function isComposing({ isComposing, keyCode }: Pick<Key, 'isComposing' | 'keyCode'>): boolean {
  return isComposing || keyCode === 229;
}

/** Written on with fingers: Enter is the only key for a new line, and a focused field brings the keyboard up. */
export function isTouch(): boolean {
  return matchMedia('(pointer: coarse)').matches;
}

/** Whether it says that the text is complete. */
export function isSend(event: Key): boolean {
  return event.key === 'Enter' && !event.shiftKey && !isComposing(event) && !isTouch();
}
