import { type ComponentProps, Suspense, useState } from 'react';
import { later } from '../app/later.tsx';
import type { MessageList as Loaded } from './MessageList.tsx';

let loaded: typeof Loaded | null = null;
// Asked for at once, but not waited for: a message can be written before there is a list of them.
const loading = import('./MessageList.tsx').then(({ MessageList }) => {
  loaded = MessageList;
  return MessageList;
});
// Who shows it says so.
loading.catch(() => {});
const Later = later(() => loading);

/** A conversation's messages; once it has been loaded, nothing is empty for a moment. */
export function MessageList(props: ComponentProps<typeof Loaded>) {
  const [List] = useState(() => loaded ?? Later);
  return (
    <Suspense>
      <List {...props} />
    </Suspense>
  );
}
