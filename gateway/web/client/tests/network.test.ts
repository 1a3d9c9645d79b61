import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { pause } from '../network.js';
import { CHANNEL, Presence } from '../presence.js';
import { Publisher } from '../publisher.js';
import { Watch } from '../watch.js';

/** Tells how many of the listeners that *target* gets from now on are left. */
function listening(target: EventTarget): () => number {
  const added = vi.spyOn(target, 'addEventListener');
  const removed = vi.spyOn(target, 'removeEventListener');
  const isGone = ([type, listener]: unknown[]) => removed.mock.calls.some(([t, l]) => t === type && l === listener);
  return () => added.mock.calls.filter((call) => !isGone(call)).length;
}

let page: EventTarget & { visibilityState: string };
let window: EventTarget;
let left: () => number;
beforeEach(() => {
  vi.useFakeTimers();
  window = new EventTarget();
  page = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  vi.stubGlobal('window', window);
  vi.stubGlobal('document', page);
  vi.stubGlobal('navigator', { onLine: true });
  const [ofWindow, ofPage] = [listening(window), listening(page)];
  left = () => ofWindow() + ofPage();
});
afterEach(() => {
  expect([vi.getTimerCount(), left()]).toEqual([0, 0]);
  vi.useRealTimers();
});

describe('a wait', () => {
  const how = (ms: number, signal = new AbortController().signal) => {
    let ended = 'waits';
    pause(ms, signal).then(
      () => {
        ended = 'over';
      },
      (reason: unknown) => {
        ended = String(reason);
      },
    );
    return async (passedMs: number) => {
      await vi.advanceTimersByTimeAsync(passedMs);
      return ended;
    };
  };

  test('ends in its time, or with the network; without a network it is longer', async () => {
    const plain = how(100);
    expect([await plain(99), await plain(1)]).toEqual(['waits', 'over']);
    const back = how(100);
    window.dispatchEvent(new Event('online'));
    expect(await back(0)).toBe('over');
    vi.stubGlobal('navigator', { onLine: false });
    const away = how(100);
    expect([await away(4_999), await away(1)]).toEqual(['waits', 'over']);
  });

  test('ends with its owner', async () => {
    const owner = new AbortController();
    const kept = listening(owner.signal);
    const over = how(1, owner.signal);
    expect([await over(1), kept()]).toEqual(['over', 0]);
    const begun = how(100, owner.signal);
    owner.abort('left');
    expect([await begun(0), await how(100, owner.signal)(0)]).toEqual(['left', 'left']);
  });
});

describe('a page looks again', () => {
  let why: string[];
  let presence: Presence;
  beforeEach(() => {
    why = [];
    presence = new Presence('c1', 1_000, (reason) => why.push(reason));
    presence.open();
    presence.open();
  });
  afterEach(() => presence.close());

  test('now and then, and whenever it or the network comes back, while it is seen and open', async () => {
    await vi.advanceTimersByTimeAsync(1_000);
    expect(why.splice(0)).toEqual(['timer']);
    const wake = () => {
      for (const event of ['focus', 'online', 'pageshow']) window.dispatchEvent(new Event(event));
      page.dispatchEvent(new Event('visibilitychange'));
    };
    wake();
    expect(why.splice(0)).toEqual(Array(4).fill('event'));
    page.visibilityState = 'hidden';
    wake();
    await vi.advanceTimersByTimeAsync(5_000);
    page.visibilityState = 'visible';
    presence.close();
    wake();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(why).toEqual([]);
  });

  test('when another page says that its own conversation has changed', async () => {
    vi.useRealTimers();
    const other = new BroadcastChannel(CHANNEL);
    const heard: unknown[] = [];
    const done = new Promise<void>((resolve) => {
      other.onmessage = ({ data }) => {
        heard.push(data);
        resolve();
      };
    });
    for (const said of [null, {}, { conversationId: 'c2' }, { conversationId: 'c1' }]) other.postMessage(said);
    await vi.waitFor(() => expect(why).toEqual(['event']));
    presence.announce();
    await done;
    expect(heard).toEqual([{ conversationId: 'c1' }]);
    const close = vi.spyOn(BroadcastChannel.prototype, 'close');
    presence.close();
    expect(close).toHaveBeenCalledTimes(1);
    other.close();
    vi.useFakeTimers();
  });
});

test('what changes is published once: with the next frame, or soon where a page has none; not after the end', () => {
  const frames: (() => void)[] = [];
  vi.stubGlobal('requestAnimationFrame', (run: () => void) => frames.push(run) - 1);
  vi.stubGlobal('cancelAnimationFrame', (at: number) => {
    frames[at] = () => {};
  });
  const publish = vi.fn<() => void>();
  const publisher = new Publisher(publish);
  const published = () => [publish.mock.calls.length, vi.getTimerCount()];
  publisher.schedule();
  publisher.schedule();
  expect(frames).toHaveLength(1);
  frames[0]?.();
  expect(published()).toEqual([1, 0]);
  publisher.schedule();
  vi.advanceTimersByTime(250);
  frames[1]?.();
  expect(published()).toEqual([2, 0]);
  publisher.schedule();
  publisher.cancel();
  frames[2]?.();
  expect(published()).toEqual([2, 0]);
});

describe('a connection that is watched', () => {
  test('is cut when nothing was heard for too long, and soon where that is long', () => {
    const watch = new Watch(100_000, new AbortController().signal);
    vi.advanceTimersByTime(90_000);
    watch.alive();
    vi.advanceTimersByTime(100_000);
    expect(watch.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1_000);
    expect(watch.signal.reason).toMatchObject({ code: 'silent', retryable: true });
    watch.close();
  });

  test('is cut with its owner, also with one that has left, and leaves nothing there', async () => {
    const owner = new AbortController();
    const kept = listening(owner.signal);
    const over = new Watch(100, owner.signal);
    over.close();
    expect(kept()).toBe(0);
    const open = new Watch(100, owner.signal);
    const waiting = open.guard(new Promise<never>(() => {}));
    owner.abort(new Error('left'));
    await expect(waiting).rejects.toThrow('left');
    const late = new Watch(100, owner.signal);
    await expect(late.guard(new Promise<never>(() => {}))).rejects.toThrow('left');
    for (const watch of [open, late]) watch.close();
  });

  test('is cut when the network has changed', () => {
    const watch = new Watch(100, new AbortController().signal);
    window.dispatchEvent(new Event('online'));
    expect(watch.signal.reason).toMatchObject({ code: 'moved', retryable: true });
    watch.close();
  });
});
