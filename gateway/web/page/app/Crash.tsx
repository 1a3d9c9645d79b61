import { Component, type ReactNode } from 'react';
import { useWords } from '../words/words.ts';

/** What is shown when the page itself breaks. */
export class Crash extends Component<{ children: ReactNode }, { isBroken: boolean }> {
  override state = { isBroken: false };

  static getDerivedStateFromError() {
    return { isBroken: true };
  }

  override render() {
    return this.state.isBroken ? <Apology /> : this.props.children;
  }
}

function Apology() {
  const words = useWords();
  return (
    <main className="apology" role="alert">
      <p>{words.crashed}</p>
      <button type="button" className="button primary" onClick={() => location.reload()}>
        {words.reload}
      </button>
    </main>
  );
}
