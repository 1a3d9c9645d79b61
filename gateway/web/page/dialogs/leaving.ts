/** Whether a link that a model wrote may be followed at once. */
import { createContext, useContext } from 'react';

/** True to follow it; false if the reader is being asked first. */
export type Leave = (address: URL) => boolean;

export const Leaving = createContext<Leave>(() => true);

export function useLeaving(): Leave {
  return useContext(Leaving);
}
