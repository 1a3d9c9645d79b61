/**
 * Keeps `--viewport-height` at what is left above an on-screen keyboard. Chromium resizes the page by
 * itself (`interactive-widget`); Safari only tells.
 */
export function followViewport(): void {
  const viewport = window.visualViewport;
  if (!viewport) return;
  const style = document.documentElement.style;
  const follow = () => {
    // A pinch zoom also makes it smaller, and must not.
    if (viewport.scale > 1.01) return;
    style.setProperty('--viewport-height', `${Math.round(viewport.height)}px`);
    // Safari scrolls the whole page to show the focused field; all of ours fits.
    if (viewport.offsetTop > 0) window.scrollTo(0, 0);
  };
  viewport.addEventListener('resize', follow);
  viewport.addEventListener('scroll', follow);
}
