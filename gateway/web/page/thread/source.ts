import { createContext } from 'react';

/** Where the bytes of pictures and files come from. */
export const Source = createContext<((blob: string) => Promise<Blob>) | null>(null);
