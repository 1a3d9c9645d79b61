import { KEYS } from '../app/shortcuts.ts';
import { useFurtherWords } from '../words/further.ts';
import { useWords } from '../words/words.ts';
import { Dialog } from './Dialog.tsx';
import { SignedIn } from './SignedIn.tsx';

/** What can be done with the keyboard alone. */
export function ShortcutsDialog({ onClose }: { onClose(): void }) {
  const words = useWords();
  const further = useFurtherWords();
  return (
    <Dialog title={words.shortcuts} onClose={onClose}>
      <dl className="shortcuts">
        {(Object.keys(further.shortcutList) as (keyof typeof further.shortcutList)[]).map((name) => (
          <div key={name}>
            <dt>{further.shortcutList[name]}</dt>
            <dd>
              {KEYS[name].map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
      <SignedIn />
    </Dialog>
  );
}
