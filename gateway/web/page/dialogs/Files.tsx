import { useRef, useState } from 'react';
import { type HeadraceClient, HeadraceError } from '../../client/index.js';
import { save } from '../app/files.ts';
import { type FurtherWords, useFurtherWords } from '../words/further.ts';

interface FilesProps {
  client: HeadraceClient;
  /** None where there is nothing to export yet. */
  conversationId: string | null;
  onOpen(id: string): void;
}

/** Takes a conversation out as a file, and one in. */
export function Files({ client, conversationId, onOpen }: FilesProps) {
  const further = useFurtherWords();
  const [failure, setFailure] = useState<string | null>(null);
  const field = useRef<HTMLInputElement>(null);
  const take = async (format: 'json' | 'markdown') => {
    try {
      const { name, text } = await client.exportConversation(conversationId ?? '', format);
      setFailure(null);
      save(name, text);
    } catch {
      setFailure(further.exportFailed);
    }
  };
  const bring = async (file: File | undefined) => {
    if (!file) return;
    try {
      onOpen(await client.importConversation(JSON.parse(await file.text())));
    } catch (error) {
      setFailure(reasonOf(error, further));
    }
  };
  return (
    <fieldset className="files">
      <legend>{further.files}</legend>
      <div>
        <button type="button" className="button" disabled={!conversationId} onClick={() => void take('markdown')}>
          {further.exportMarkdown}
        </button>
        <button type="button" className="button" disabled={!conversationId} onClick={() => void take('json')}>
          {further.exportJson}
        </button>
        <button type="button" className="button" onClick={() => field.current?.click()}>
          {further.importJson}
        </button>
        <input
          ref={field}
          type="file"
          hidden
          accept="application/json,.json"
          aria-label={further.importJson}
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

/** Only what the server has looked at, or nobody could read, is no conversation. */
function reasonOf(error: unknown, further: FurtherWords): string {
  if (!(error instanceof HeadraceError)) return further.importFailed;
  if (error.status === 413) return further.importTooLarge;
  return error.status === 400 ? further.importFailed : further.importNotNow;
}
