/** A part of the renderer that is fetched when it is first wanted; who asked renders again once it is there. */
import { useEffect, useSyncExternalStore } from 'react';

export class Extension<T> {
  readonly #load: () => Promise<T>;
  readonly #listeners = new Set<() => void>();
  #value: T | null = null;
  #loading: Promise<void> | null = null;

  constructor(load: () => Promise<T>) {
    this.#load = load;
  }

  readonly value = (): T | null => this.#value;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  fetch(): void {
    this.#loading ??= this.#load().then(
      (value) => {
        this.#value = value;
        for (const listener of this.#listeners) listener();
      },
      // Without it the source is shown. The next one that wants it asks again.
      () => {
        this.#loading = null;
      },
    );
  }
}

/** Null until it has been fetched, and where it is not wanted. */
export function useExtension<T>(extension: Extension<T>, isWanted: boolean): T | null {
  useEffect(() => {
    if (isWanted) extension.fetch();
  }, [extension, isWanted]);
  const value = useSyncExternalStore(extension.subscribe, extension.value);
  return isWanted ? value : null;
}
