/** Pictures and text files that are to go with the next message: each is kept by the server as soon as it is chosen. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { HeadraceError, type MessagePart } from '../../client/index.js';
import { useDraft } from './drafts.ts';

export type Upload = (file: Blob, name: string) => Promise<MessagePart>;

export interface Attachment {
  id: number;
  name: string;
  /** Where its picture is, if it is one. */
  preview: string | null;
  /** Once the server has it. */
  part: MessagePart | null;
  /** The code of why the server does not take it. */
  refused: string | null;
}

export interface Attachments {
  items: readonly Attachment[];
  /** Whether some are still on their way. */
  isBusy: boolean;
  add(files: Iterable<File>): void;
  remove(id: number): void;
  /** Gives what there is, and has none any more. */
  take(): readonly MessagePart[];
}

/** The server takes no more for one message. */
const MOST = 20;
/** Of those that are too many, so many are named. */
const MOST_NAMED = 3;

let ids = 0;

/** Those of the draft *draftKey*: what the server has is there again after switching and reloading. */
export function useAttachments(upload: Upload | undefined, draftKey: string): Attachments {
  const [kept, keep] = useDraft(`files.${draftKey}`);
  const [items, setItems] = useState<readonly Attachment[]>(() => restored(kept));
  const keeper = useRef(keep);
  keeper.current = keep;
  const latest = useRef(items);
  latest.current = items;
  const set = useCallback((next: readonly Attachment[]) => {
    latest.current = next;
    setItems(next);
    const there = next.flatMap(({ name, part }) => (part ? [{ name, part }] : []));
    keeper.current(there.length > 0 ? JSON.stringify(there) : '');
  }, []);
  useEffect(() => () => latest.current.forEach(release), []);
  const change = (id: number, facts: Partial<Attachment>) =>
    set(latest.current.map((item) => (item.id === id ? { ...item, ...facts } : item)));
  const add = (files: Iterable<File>) => {
    if (!upload) return;
    const all = [...files];
    const left = Math.max(0, MOST - latest.current.length);
    for (const file of all.slice(0, left)) {
      ids += 1;
      const id = ids;
      const name = nameOf(file);
      const preview = /^image\/(png|jpeg|gif|webp)$/.test(file.type) ? URL.createObjectURL(file) : null;
      set([...latest.current, { id, name, preview, part: null, refused: null }]);
      upload(file, name).then(
        (part) => change(id, { part }),
        (error: unknown) => change(id, { refused: error instanceof HeadraceError ? error.code : 'failed' }),
      );
    }
    const rest = all.slice(left);
    if (rest.length === 0) return;
    ids += 1;
    const more = rest.length > MOST_NAMED ? ` +${rest.length - MOST_NAMED}` : '';
    const name = rest.slice(0, MOST_NAMED).map(nameOf).join(', ') + more;
    set([...latest.current, { id: ids, name, preview: null, part: null, refused: 'too_many' }]);
  };
  const remove = (id: number) => {
    latest.current.filter((item) => item.id === id).forEach(release);
    set(latest.current.filter((item) => item.id !== id));
  };
  const take = () => {
    const taken = latest.current.flatMap(({ part }) => part ?? []);
    latest.current.forEach(release);
    set([]);
    return taken;
  };
  return { items, isBusy: items.some(({ part, refused }) => !part && !refused), add, remove, take };
}

function restored(kept: string): readonly Attachment[] {
  if (!kept) return [];
  try {
    return (JSON.parse(kept) as Pick<Attachment, 'name' | 'part'>[]).map(({ name, part }) => {
      ids += 1;
      return { id: ids, name, preview: null, part, refused: null };
    });
  } catch {
    return [];
  }
}

/** As the server has it: nothing in it turns around what stands beside it. */
function nameOf({ name }: File): string {
  return name.replace(/[\p{Cc}\p{Cf}]/gu, '');
}

function release({ preview }: Attachment): void {
  if (preview) URL.revokeObjectURL(preview);
}
