/** What is being read aloud on this page: one reply at a time, sentence by sentence, over one audio element. */
import type { HeadraceClient, SpeechAbilities, SpokenSentence } from '../../client/index.js';

/** `waiting`: for the next sentence to be written, or spoken. */
export interface Reading {
  generationId: string;
  state: 'waiting' | 'playing' | 'paused' | 'failed';
  /** The sentence that is heard, as characters (code points) of the reply's text. */
  sentence: { start: number; end: number } | null;
}

const SAMPLE_RATE = 24_000;

export class Player {
  readonly #listeners = new Set<() => void>();
  #reading: Reading | null = null;
  #stopping: AbortController | null = null;
  #audio: HTMLAudioElement | null = null;
  #url = '';
  #waiting: SpokenSentence[] = [];
  #isWhole = false;
  #kind = 'audio/wav';

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly snapshot = (): Reading | null => this.#reading;

  /** Read a reply aloud, while it is written or after; whatever else is being read falls silent. */
  start(client: HeadraceClient, generationId: string, can: SpeechAbilities, text: string): void {
    this.stop();
    const stopping = new AbortController();
    this.#stopping = stopping;
    this.#isWhole = false;
    this.#kind = can.formats.includes('mp3') ? 'audio/mpeg' : 'audio/wav';
    this.#set({ generationId, state: 'waiting', sentence: null });
    this.#audio ??= this.#newAudio();
    this.#announce(text.slice(0, 80));
    void this.#read(client, generationId, text, stopping);
  }

  stop(): void {
    this.#stopping?.abort();
    this.#stopping = null;
    this.#waiting = [];
    this.#audio?.pause();
    if (this.#reading) this.#set(null);
    if ('mediaSession' in navigator) navigator.mediaSession.playbackState = 'none';
  }

  async #read(client: HeadraceClient, generationId: string, text: string, stopping: AbortController): Promise<void> {
    const format = this.#kind === 'audio/mpeg' ? 'mp3' : 'pcm';
    try {
      for await (const event of client.speech(generationId, { format, text, signal: stopping.signal })) {
        if (stopping.signal.aborted) return;
        if (event.type === 'sentence') {
          this.#waiting.push(event);
          if (this.#reading?.state === 'waiting') this.#next();
        } else if (event.type === 'reset') {
          // What was said of it is void.
          this.#waiting = [];
          this.#audio?.pause();
          this.#set({ generationId, state: 'waiting', sentence: null });
        } else if (event.finishReason === 'cancelled') return this.stop();
      }
      this.#isWhole = true;
      if (this.#reading?.state === 'waiting') this.#next();
    } catch {
      if (stopping.signal.aborted) return;
      this.stop();
      this.#set({ generationId, state: 'failed', sentence: null });
    }
  }

  #next(): void {
    const { generationId } = this.#reading ?? {};
    if (generationId === undefined || !this.#audio) return;
    const sentence = this.#waiting.shift();
    if (!sentence) {
      if (this.#isWhole) this.stop();
      else this.#set({ generationId, state: 'waiting', sentence: null });
      return;
    }
    URL.revokeObjectURL(this.#url);
    const parts = this.#kind === 'audio/wav' ? [waveHeader(sentence.sound.length), sentence.sound] : [sentence.sound];
    this.#url = URL.createObjectURL(new Blob(parts, { type: this.#kind }));
    this.#audio.src = this.#url;
    this.#set({ generationId, state: 'playing', sentence: { start: sentence.start, end: sentence.end } });
    this.#audio.play().catch(() => this.#skip());
  }

  /** A browser that will not play has it paused; what it cannot play is passed over. */
  #skip(): void {
    if (this.#audio?.error) this.#next();
    else if (this.#reading?.state === 'playing') this.#set({ ...this.#reading, state: 'paused' });
  }

  #newAudio(): HTMLAudioElement {
    const audio = new Audio();
    audio.addEventListener('ended', () => this.#next());
    audio.addEventListener('pause', () => {
      if (this.#reading?.state === 'playing' && !audio.ended) this.#set({ ...this.#reading, state: 'paused' });
    });
    audio.addEventListener('play', () => {
      if (this.#reading?.state === 'paused') this.#set({ ...this.#reading, state: 'playing' });
    });
    return audio;
  }

  /** The keys of a keyboard or a headset, and the system's own player. */
  #announce(title: string): void {
    if (!('mediaSession' in navigator)) return;
    navigator.mediaSession.metadata = new MediaMetadata({ title, artist: 'Headrace' });
    navigator.mediaSession.setActionHandler('play', () => void this.#audio?.play().catch(() => {}));
    navigator.mediaSession.setActionHandler('pause', () => this.#audio?.pause());
    navigator.mediaSession.setActionHandler('stop', () => this.stop());
    navigator.mediaSession.setActionHandler('nexttrack', () => this.#next());
  }

  #set(reading: Reading | null): void {
    this.#reading = reading;
    if ('mediaSession' in navigator && reading) {
      navigator.mediaSession.playbackState = reading.state === 'paused' ? 'paused' : 'playing';
    }
    for (const listener of this.#listeners) listener();
  }
}

/** Of 16-bit samples of one channel. */
function waveHeader(bytes: number): Uint8Array<ArrayBuffer> {
  const header = new DataView(new ArrayBuffer(44));
  const text = (at: number, word: string) => {
    for (let i = 0; i < word.length; i++) header.setUint8(at + i, word.charCodeAt(i));
  };
  text(0, 'RIFF');
  header.setUint32(4, 36 + bytes, true);
  text(8, 'WAVEfmt ');
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);
  header.setUint16(22, 1, true);
  header.setUint32(24, SAMPLE_RATE, true);
  header.setUint32(28, SAMPLE_RATE * 2, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  text(36, 'data');
  header.setUint32(40, bytes, true);
  return new Uint8Array(header.buffer);
}

export const player = new Player();
