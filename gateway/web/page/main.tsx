import { lazy, StrictMode, Suspense } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/App.tsx';
import { Crash } from './app/Crash.tsx';
import { followViewport } from './app/viewport.ts';
import { DiagramsDrawn } from './markdown/drawing.ts';
import { wordsReady } from './words/words.ts';
import './styles/page.css';

const SharedApp = lazy(() => import('./share/SharedApp.tsx'));
const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');

const RoomPage = lazy(() => import('./room/RoomPage.tsx'));
const room = /^\/r\/([A-Za-z0-9][A-Za-z0-9_.:-]{0,127})\/?$/.exec(location.pathname)?.[1];

followViewport();
// Nothing is shown in another language first.
await wordsReady;
createRoot(root).render(
  <StrictMode>
    <Crash>
      <DiagramsDrawn value={true}>
        {location.pathname.startsWith('/s/') ? (
          <Suspense>
            <SharedApp />
          </Suspense>
        ) : room ? (
          <Suspense>
            <RoomPage roomId={room} />
          </Suspense>
        ) : (
          <App />
        )}
      </DiagramsDrawn>
    </Crash>
  </StrictMode>,
);
