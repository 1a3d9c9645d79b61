/** Pictures and files of a message. */
import { useContext, useEffect, useState } from 'react';
import type { MessagePart } from '../../client/index.js';
import { saveBlob } from '../app/files.ts';
import { DownloadIcon, FileIcon } from '../app/icons.tsx';
import { useWords } from '../words/words.ts';
import { Source } from './source.ts';

type Read = (blob: string) => Promise<Blob>;

/** What is shown as a picture; anything else is bytes to be saved. */
const PICTURES = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);
/** Pictures that a list lets go of and shows again. */
const MOST_KEPT = 20;
const kept = new Map<Read, Map<string, Promise<Blob>>>();

export function Parts({ parts }: { parts: readonly MessagePart[] }) {
  return (
    <ul className="parts">
      {parts.map((part, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: parts are only ever added at the end
        <li key={index}>
          <Part part={part} />
        </li>
      ))}
    </ul>
  );
}

export function Part({ part }: { part: MessagePart }) {
  const words = useWords();
  const { lost, name, type } = part;
  if (lost !== undefined || !part.blob) return <p className="part-lost">{words.partLost(lost ?? '')}</p>;
  return type === 'image' ? <Drawn part={part} /> : <Saved part={part} label={name || words.file} />;
}

function Drawn({ part }: { part: MessagePart }) {
  const words = useWords();
  const read = useContext(Source);
  const [state, setState] = useState<{ url: string } | 'loading' | 'failed'>('loading');
  useEffect(() => {
    let url = '';
    let isGone = false;
    setState('loading');
    if (read) {
      remembered(read, part.blob).then(
        (blob) => {
          if (isGone) return;
          if (!PICTURES.has(blob.type)) return setState('failed');
          url = URL.createObjectURL(blob);
          setState({ url });
        },
        () => !isGone && setState('failed'),
      );
    }
    return () => {
      isGone = true;
      if (url) URL.revokeObjectURL(url);
    };
  }, [read, part.blob]);
  const label = part.name || words.picture;
  if (state === 'failed') return <p className="part-lost">{words.partGone(label)}</p>;
  return (
    <figure className="part-picture">
      {state === 'loading' ? (
        <span className="part-loading" role="img" aria-busy="true" aria-label={label} />
      ) : (
        <img src={state.url} alt={label} />
      )}
      <Saved part={part} label={label} />
    </figure>
  );
}

function Saved({ part, label }: { part: MessagePart; label: string }) {
  const words = useWords();
  const read = useContext(Source);
  const [isGone, setGone] = useState(false);
  const save = () => {
    if (!read) return;
    remembered(read, part.blob).then(
      (blob) => saveBlob(part.name || words.picture, blob),
      () => setGone(true),
    );
  };
  if (isGone) return <p className="part-lost">{words.partGone(label)}</p>;
  return (
    <button
      type="button"
      className="part-file"
      aria-label={words.saveFile(label)}
      title={words.saveFile(label)}
      onClick={save}
    >
      {part.type === 'image' ? <DownloadIcon /> : <FileIcon />}
      {part.type === 'file' && (
        <span dir="auto">
          {label} <small>{words.bytes(part.size)}</small>
        </span>
      )}
    </button>
  );
}

function remembered(read: Read, name: string): Promise<Blob> {
  let blobs = kept.get(read);
  if (!blobs) {
    kept.clear();
    blobs = new Map();
    kept.set(read, blobs);
  }
  let found = blobs.get(name);
  if (!found) {
    found = read(name);
    found.catch(() => blobs.delete(name));
    const oldest = blobs.keys().next().value;
    if (blobs.size >= MOST_KEPT && oldest !== undefined) blobs.delete(oldest);
    blobs.set(name, found);
  }
  return found;
}
