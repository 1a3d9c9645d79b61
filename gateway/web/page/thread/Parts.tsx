/** Pictures and files of a message. */
import { useContext, useEffect, useState } from 'react';
import { HeadraceError, type MessagePart } from '../../client/index.js';
import { saveBlob } from '../app/files.ts';
import { DownloadIcon, FileIcon } from '../app/icons.tsx';
import { useFurtherWords } from '../words/further.ts';
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
  const further = useFurtherWords();
  const { lost, name, type } = part;
  if (lost !== undefined || !part.blob) return <p className="part-lost">{further.partLost(lost ?? '')}</p>;
  return type === 'image' ? <Drawn part={part} /> : <Saved part={part} label={name || further.file} />;
}

function Drawn({ part }: { part: MessagePart }) {
  const words = useWords();
  const read = useContext(Source);
  const [state, setState] = useState<{ url: string } | 'loading' | Absence>('loading');
  const [tries, setTries] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each try is one more
  useEffect(() => {
    let url = '';
    let isGone = false;
    setState('loading');
    if (read) {
      remembered(read, part.blob).then(
        (blob) => {
          if (isGone) return;
          if (!PICTURES.has(blob.type)) return setState('gone');
          url = URL.createObjectURL(blob);
          setState({ url });
        },
        (error: unknown) => !isGone && setState(absenceOf(error)),
      );
    }
    return () => {
      isGone = true;
      if (url) URL.revokeObjectURL(url);
    };
  }, [read, part.blob, tries]);
  const label = part.name || words.picture;
  if (state === 'gone' || state === 'failed') {
    return <Absent label={label} why={state} onRetry={() => setTries(tries + 1)} />;
  }
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
  const further = useFurtherWords();
  const read = useContext(Source);
  const [absence, setAbsence] = useState<Absence | null>(null);
  const save = () => {
    if (!read) return;
    setAbsence(null);
    remembered(read, part.blob).then(
      (blob) => saveBlob(part.name || words.picture, blob),
      (error: unknown) => setAbsence(absenceOf(error)),
    );
  };
  if (absence) return <Absent label={label} why={absence} onRetry={save} />;
  return (
    <button
      type="button"
      className="part-file"
      aria-label={further.saveFile(label)}
      title={further.saveFile(label)}
      onClick={save}
    >
      {part.type === 'image' ? <DownloadIcon /> : <FileIcon />}
      {part.type === 'file' && (
        <span dir="auto">
          {label} <small>{further.bytes(part.size)}</small>
        </span>
      )}
    </button>
  );
}

/** `failed`: it may be there, and was not to be had just now. */
type Absence = 'gone' | 'failed';

function absenceOf(error: unknown): Absence {
  return error instanceof HeadraceError && (error.status === 404 || error.status === 410) ? 'gone' : 'failed';
}

function Absent({ label, why, onRetry }: { label: string; why: Absence; onRetry(): void }) {
  const words = useWords();
  const further = useFurtherWords();
  if (why === 'gone') return <p className="part-lost">{further.partGone(label)}</p>;
  return (
    <p className="part-lost">
      {further.partFailed(label)}{' '}
      <button type="button" className="link-button" onClick={onRetry}>
        {words.retry}
      </button>
    </p>
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
