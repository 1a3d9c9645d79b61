/**
 * Draws diagrams in a frame that may do nothing: no origin, no network, no way to the page but messages. What it
 * gives is shown as a picture, in which nothing runs either.
 */
import mermaid from 'mermaid';

interface Order {
  id: number;
  source: string;
  isDark: boolean;
}

let drawn = 0;
let last: Promise<void> = Promise.resolve();

async function draw({ id, source, isDark }: Order): Promise<void> {
  mermaid.initialize({
    startOnLoad: false,
    securityLevel: 'strict',
    theme: isDark ? 'dark' : 'default',
    htmlLabels: false,
    flowchart: { htmlLabels: false },
    maxTextSize: 50_000,
    maxEdges: 500,
    suppressErrorRendering: true,
  });
  drawn += 1;
  try {
    const { svg } = await mermaid.render(`diagram-${drawn}`, source);
    parent.postMessage({ id, svg }, '*');
  } catch (error) {
    parent.postMessage({ id, failure: error instanceof Error ? error.message : String(error) }, '*');
  }
}

window.addEventListener('message', ({ source, data }) => {
  if (source !== parent) return;
  // One after another: they share the drawing's state.
  last = last.then(() => draw(data as Order));
});
parent.postMessage({ isReady: true }, '*');
