import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/App.tsx';
import { Crash } from './app/Crash.tsx';
import { followViewport } from './app/viewport.ts';
import './styles/page.css';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');

followViewport();
createRoot(root).render(
  <StrictMode>
    <Crash>
      <App />
    </Crash>
  </StrictMode>,
);
