/** A picture of a message, or a file that is a text: its bytes are kept beside it, under the hash that is `blob`. */
export interface MessagePart {
  readonly type: 'image' | 'file';
  /** Empty where it was `lost`. */
  readonly blob: string;
  readonly contentType: string;
  readonly size: number;
  readonly name: string;
  /** The length of the text before it, in UTF-16 code units. */
  readonly at: number;
  /** Why a picture of a reply is not there: `too_large`, `no_picture` or `not_kept`. */
  readonly lost?: string;
}

/** As the server has it. */
export interface StoredPart {
  type: 'image' | 'file';
  blob?: string;
  content_type?: string;
  size?: number;
  name?: string;
  /** The number of characters (Unicode code points) of the text before it. */
  at?: number;
  lost?: string;
}

/** What `POST /api/blobs` gives. */
export interface UploadedBlob {
  blob: string;
  content_type: string;
  size: number;
}

/** A part that stands after *at* units of text. */
export function readPart(stored: StoredPart, at: number): MessagePart {
  return {
    type: stored.type === 'file' ? 'file' : 'image',
    blob: stored.blob ?? '',
    contentType: stored.content_type ?? '',
    size: stored.size ?? 0,
    name: stored.name ?? '',
    at,
    ...(stored.lost !== undefined && { lost: stored.lost }),
  };
}

export function readParts(stored: readonly StoredPart[], content: string): readonly MessagePart[] {
  const points = [...content];
  return stored.map((part) => readPart(part, points.slice(0, part.at ?? 0).join('').length));
}

/** A message as it is sent: a text alone, or the text and what goes with it. */
export function wireMessage(text: string, parts: readonly MessagePart[] = []): unknown {
  if (parts.length === 0) return text;
  const said = text === '' ? [] : [{ type: 'text', text }];
  return [...said, ...parts.map(({ type, blob, name }) => ({ type, blob, name }))];
}

/** A message's text and parts in their order. */
export function inOrder<T extends { readonly at: number }>(content: string, parts: readonly T[]): (string | T)[] {
  const pieces: (string | T)[] = [];
  let read = 0;
  for (const part of parts.toSorted((a, b) => a.at - b.at)) {
    if (part.at > read) pieces.push(content.slice(read, part.at));
    read = Math.max(read, part.at);
    pieces.push(part);
  }
  if (read < content.length) pieces.push(content.slice(read));
  return pieces;
}
