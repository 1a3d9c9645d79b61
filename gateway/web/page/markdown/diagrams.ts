/** Has diagrams drawn where nothing can be done: in a frame without an origin, which gives pictures. */

/** A picture of a diagram, and its size where it says one. */
export interface Drawn {
  address: string;
  width: number | undefined;
  height: number | undefined;
}

const PATIENCE_MS = 15_000;

interface Waiting {
  done(drawn: Drawn): void;
  failed(error: Error): void;
}

let frame: Promise<Window> | null = null;
let element: HTMLIFrameElement | null = null;
let ids = 0;
const waiting = new Map<number, Waiting>();

/** Throws where it cannot be drawn. */
export async function draw(source: string, isDark: boolean): Promise<Drawn> {
  frame ??= opened();
  const target = await frame;
  ids += 1;
  const id = ids;
  return new Promise((resolve, reject) => {
    // What does not end is ended with its frame; the next one gets another.
    const timer = setTimeout(() => waiting.get(id)?.failed(closed()), PATIENCE_MS);
    const settle = () => {
      clearTimeout(timer);
      waiting.delete(id);
    };
    waiting.set(id, {
      done: (drawn) => {
        settle();
        resolve(drawn);
      },
      failed: (error) => {
        settle();
        reject(error);
      },
    });
    target.postMessage({ id, source, isDark }, '*');
  });
}

function opened(): Promise<Window> {
  return new Promise((resolve, reject) => {
    const made = document.createElement('iframe');
    made.setAttribute('sandbox', 'allow-scripts');
    made.src = '/diagram.html';
    made.className = 'diagram-frame';
    made.tabIndex = -1;
    made.ariaHidden = 'true';
    made.title = '';
    element = made;
    const timer = setTimeout(() => reject(closed()), PATIENCE_MS);
    window.addEventListener('message', ({ source, data }) => {
      if (source !== made.contentWindow || typeof data !== 'object' || data === null) return;
      if (data.isReady === true && made.contentWindow) {
        clearTimeout(timer);
        resolve(made.contentWindow);
      }
      const order = waiting.get(data.id);
      if (typeof data.svg === 'string') order?.done(picture(data.svg));
      else if (typeof data.failure === 'string') order?.failed(new Error(data.failure));
    });
    document.body.append(made);
  });
}

function closed(): Error {
  element?.remove();
  element = frame = null;
  return new Error('The diagram takes too long to draw.');
}

/** As an image an SVG has no scripts, no links and no way out. */
function picture(svg: string): Drawn {
  const [, width, height] = /viewBox="[-\d.]+ [-\d.]+ ([\d.]+) ([\d.]+)"/.exec(svg) ?? [];
  const address = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  return { address, width: width ? Number(width) : undefined, height: height ? Number(height) : undefined };
}
