import { useRef, useState } from 'react';
import type { HeadraceClient } from '../../client/index.js';
import { save } from '../app/files.ts';
import { useWords } from '../words/words.ts';

interface FilesProps {
  client: HeadraceClient;
  /** None where there is nothing to export yet. */
  conversationId: string | null;
  onOpen(id: string): void;
}

/** Takes a conversation out as a file, and one in. */
export function Files({ client, conversationId, onOpen }: FilesProps) {
  const words = useWords();
  const [failure, setFailure] = useState<string | null>(null);
  const field = useRef<HTMLInputElement>(null);
  const take = async (format: 'json' | 'markdown') => {
    try {
      const { name, text } = await client.exportConversation(conversationId ?? '', format);
      setFailure(null);
      save(name, text);
    } catch {
      setFailure(words.exportFailed);
    }
  };
  const bring = async (file: File | undefined) => {
    if (!file) return;
    try {
      onOpen(await client.importConversation(JSON.parse(await file.text())));
    } catch {
      setFailure(words.importFailed);
    }
  };
  return (
    <fieldset className="files">
      <legend>{words.files}</legend>
      <div>
        <button type="button" className="button" disabled={!conversationId} onClick={() => void take('markdown')}>
          {words.exportMarkdown}
        </button>
        <button type="button" className="button" disabled={!conversationId} onClick={() => void take('json')}>
          {words.exportJson}
        </button>
        <button type="button" className="button" onClick={() => field.current?.click()}>
          {words.importJson}
        </button>
        <input
          ref={field}
          type="file"
          hidden
          accept="application/json,.json"
          aria-label={words.importJson}
          onChange={(event) => {
            void bring(event.target.files?.[0]);
            // The same file may be chosen again.
            event.target.value = '';
          }}
        />
      </div>
      {failure && <p role="alert">{failure}</p>}
    </fieldset>
  );
}
