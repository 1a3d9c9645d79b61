/** Has diagrams drawn where nothing can be done: in a frame without an origin, which gives pictures. */

/** A picture of a diagram, and its size where it says one. */
export interface Drawn {
  address: string;
  width: number | undefined;
  height: number | undefined;
}

/** What does not end by then is ended with its frame; the next one gets another. */
const PATIENCE_MS = 8_000;

let frame: Promise<HTMLIFrameElement> | null = null;
let last: Promise<unknown> = Promise.resolve();
let ids = 0;

/** One after another. Throws where it cannot be drawn. */
export function draw(source: string, isDark: boolean): Promise<Drawn> {
  const drawn = last.then(() => drawNow(source, isDark));
  last = drawn.catch(() => {});
  return drawn;
}

async function drawNow(source: string, isDark: boolean): Promise<Drawn> {
  frame ??= opened();
  const opening = frame;
  const drawing = opening.then(async (element) => {
    ids += 1;
    const id = ids;
    const answer = heard(element, (data) => data.id === id);
    element.contentWindow?.postMessage({ id, source, isDark }, '*');
    const { svg, failure } = await answer;
    if (typeof svg !== 'string') throw new Error(String(failure));
    return picture(svg);
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      frame = null;
      void opening.then((element) => element.remove());
      reject(new Error('The diagram takes too long to draw.'));
    }, PATIENCE_MS);
  });
  try {
    return await Promise.race([drawing, late]);
  } finally {
    clearTimeout(timer);
    drawing.catch(() => {});
  }
}

async function opened(): Promise<HTMLIFrameElement> {
  const element = document.createElement('iframe');
  element.setAttribute('sandbox', 'allow-scripts');
  element.src = '/diagram.html';
  element.className = 'diagram-frame';
  element.tabIndex = -1;
  element.ariaHidden = 'true';
  const ready = heard(element, ({ isReady }) => isReady === true);
  document.body.append(element);
  await ready;
  return element;
}

interface Said {
  isReady?: unknown;
  id?: unknown;
  svg?: unknown;
  failure?: unknown;
}

/** The next that *element* says, of what is waited for. */
function heard(element: HTMLIFrameElement, isIt: (data: Said) => boolean): Promise<Said> {
  return new Promise((resolve) => {
    const listen = ({ source, data }: MessageEvent) => {
      const isGone = !element.isConnected;
      const isFrom = source === element.contentWindow && typeof data === 'object' && data !== null;
      if (!isGone && !(isFrom && isIt(data as Said))) return;
      window.removeEventListener('message', listen);
      if (!isGone) resolve(data as Said);
    };
    window.addEventListener('message', listen);
  });
}

/** As an image an SVG has no scripts, no links and no way out. */
function picture(svg: string): Drawn {
  const [, width, height] = /viewBox="[-\d.]+ [-\d.]+ ([\d.]+) ([\d.]+)"/.exec(svg) ?? [];
  const address = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  return { address, width: width ? Number(width) : undefined, height: height ? Number(height) : undefined };
}
