import { createContext } from 'react';

/** Whether diagrams are drawn: it takes a frame that only the page's own server has. */
export const Drawing = createContext(false);
export const DiagramsDrawn = Drawing.Provider;
