/** An event's place in its log: `<attempt>-<seq>`, seq dense from 0 within an attempt. */
export interface Position {
  attempt: number;
  seq: number;
}

const WIRE = /^(0|[1-9]\d{0,8})-(0|[1-9]\d{0,14})$/;

export function parsePosition(text: string): Position | null {
  const match = WIRE.exec(text);
  return match && { attempt: Number(match[1]), seq: Number(match[2]) };
}

/** Where *next* stands to the last position seen: `known` already, the one that `follows`, or behind a `gap`. */
export function relation(last: Position | null, next: Position): 'known' | 'follows' | 'gap' {
  if (last === null || next.attempt > last.attempt) return next.seq === 0 ? 'follows' : 'gap';
  if (next.attempt < last.attempt || next.seq <= last.seq) return 'known';
  return next.seq === last.seq + 1 ? 'follows' : 'gap';
}
