import { beforeEach, expect, test, vi } from 'vitest';
import type { HeadraceClient, SpeechAbilities } from '../../client/index.js';
import { Player } from '../speech/player.ts';

type Said = { type: string; [field: string]: unknown } | 'fails';

const played: Blob[] = [];
const can = { formats: ['wav', 'pcm'] } as unknown as SpeechAbilities;
const sentence = (start: number, bytes = 4): Said => ({
  type: 'sentence',
  start,
  end: start + 1,
  sound: new Uint8Array(bytes),
});
const settled = () => new Promise((done) => setTimeout(done));

/** What is being said, as it comes. */
class Speech {
  #more = () => {};
  #said: Said[] = [];

  say(...said: Said[]) {
    this.#said.push(...said);
    this.#more();
    return settled();
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      for (let said = this.#said.shift(); said; said = this.#said.shift()) {
        if (said === 'fails') throw new Error('it broke off');
        yield said;
        if (said.type === 'end') return;
      }
      await new Promise<void>((more) => {
        this.#more = more;
      });
    }
  }
}

function reading(player: Player, id: string, speech = new Speech()): Speech {
  player.start({ speech: () => speech } as unknown as HeadraceClient, id, can, 'text');
  return speech;
}

/** As a browser has it, and without a sound. */
class Silent extends EventTarget {
  src = '';
  ended = false;
  error = null;
  play = () => Promise.resolve();
  pause = () => {};

  constructor() {
    super();
    made.push(this);
  }
}

const made: Silent[] = [];
const ends = () => made.at(-1)?.dispatchEvent(new Event('ended'));

beforeEach(() => {
  played.length = 0;
  vi.stubGlobal('Audio', Silent);
  vi.spyOn(URL, 'createObjectURL').mockImplementation((blob) => `blob:${played.push(blob as Blob)}`);
});

test('sentence by sentence, waiting for what is not written yet, and no longer than to its end', async () => {
  const player = new Player();
  const speech = reading(player, 'g');
  expect(player.snapshot()?.state).toBe('waiting');
  await speech.say(sentence(0), sentence(1));
  expect(player.snapshot()).toEqual({ generationId: 'g', state: 'playing', sentence: { start: 0, end: 1 } });
  const wave = new DataView(await new Response(played[0]).arrayBuffer());
  expect([wave.byteLength, wave.getUint32(24, true), wave.getUint32(28, true), wave.getUint32(40, true)]).toEqual([
    48, 24_000, 48_000, 4,
  ]);
  ends();
  expect(player.snapshot()?.sentence?.start).toBe(1);
  ends();
  expect(player.snapshot()?.state).toBe('waiting');
  await speech.say(sentence(2));
  expect(player.snapshot()?.sentence?.start).toBe(2);
  await speech.say({ type: 'end', finishReason: 'stop' });
  ends();
  expect(player.snapshot()).toBeNull();
  expect(played.length).toBe(3);
});

test('what is void is not read', async () => {
  const player = new Player();
  const speech = reading(player, 'g');
  await speech.say(sentence(0), sentence(1), { type: 'reset' });
  expect(player.snapshot()?.state).toBe('waiting');
  await speech.say(sentence(7));
  expect(player.snapshot()?.sentence?.start).toBe(7);
  await speech.say({ type: 'end', finishReason: 'cancelled' });
  expect(player.snapshot()).toBeNull();
});

test('what fails says so, and ends nothing else', async () => {
  const player = new Player();
  const first = reading(player, 'a');
  const second = reading(player, 'b');
  await first.say('fails');
  expect(player.snapshot()).toMatchObject({ generationId: 'b', state: 'waiting' });
  await second.say('fails');
  expect(player.snapshot()).toMatchObject({ generationId: 'b', state: 'failed' });
});
