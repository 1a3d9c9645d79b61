/**
 * A place in a log: `<attempt>-<seq>`, seq dense from 0 within an attempt. `1-6.2` is within the event at 1-6: all before
 * it, and two frames of it.
 */
export interface Position {
  attempt: number;
  /** The last event that was read whole. */
  seq: number;
  /** The frames that were read of the next. */
  frames: number;
}

const WIRE = /^(0|[1-9]\d{0,8})-(0|[1-9]\d{0,14})(?:\.([1-9]\d{0,8}))?$/;

export function parsePosition(text: string): Position | null {
  const match = WIRE.exec(text);
  if (match === null) return null;
  const frames = Number(match[3] ?? 0);
  return { attempt: Number(match[1]), seq: Number(match[2]) - (frames > 0 ? 1 : 0), frames };
}

/** Where *next* stands to the last position seen: `known` already, the one that `follows`, or after a `gap`. */
export function relation(last: Position | null, next: Position): 'known' | 'follows' | 'gap' {
  if (last === null || next.attempt > last.attempt) return next.seq === 0 && next.frames === 0 ? 'follows' : 'gap';
  if (next.attempt < last.attempt || next.seq < last.seq) return 'known';
  if (next.seq === last.seq) {
    if (next.frames <= last.frames) return 'known';
    return next.frames === last.frames + 1 ? 'follows' : 'gap';
  }
  return next.seq === last.seq + 1 && next.frames === 0 ? 'follows' : 'gap';
}
