import { createContext, useContext, useEffect, useRef, useState } from 'react';
import type { ChatMessage, HeadraceClient, SpeechAbilities } from '../../client/index.js';

/** What reads aloud: loaded once it is known that there is somebody to speak. */
type Loaded = typeof import('./Reader.tsx');

interface Speaking {
  client: HeadraceClient;
  can: SpeechAbilities;
  Reader: Loaded['Reader'];
}

const Speech = createContext<Speaking | null>(null);
export const SpeechProvider = Speech.Provider;

/** Who speaks, and what; null where nobody does, and while that is not known. With another *key* it is silent. */
export function useSpeech(client: HeadraceClient, key: unknown): Speaking | null {
  const [speaking, setSpeaking] = useState<Speaking | null>(null);
  const loaded = useRef<Loaded | null>(null);
  useEffect(() => {
    const asking = new AbortController();
    const ask = async () => {
      const { speech: can } = await client.heartbeat({ signal: asking.signal });
      if (!can) return setSpeaking(null);
      loaded.current = await import('./Reader.tsx');
      if (!asking.signal.aborted) setSpeaking({ client, can, Reader: loaded.current.Reader });
    };
    ask().catch(() => {});
    return () => asking.abort();
  }, [client]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is read aloud is of the conversation that is shown
  useEffect(() => () => loaded.current?.silence(), [key]);
  return speaking;
}

/** The button that has a reply read aloud, where somebody speaks. */
export function ReadAloud({ message }: { message: ChatMessage }) {
  const speaking = useContext(Speech);
  const { generationId } = message;
  return (
    speaking &&
    generationId && (
      <speaking.Reader client={speaking.client} can={speaking.can} generationId={generationId} message={message} />
    )
  );
}
