import { type RefObject, useEffect, useRef } from 'react';
import { IconButton } from '../app/IconButton.tsx';
import { PaperclipIcon } from '../app/icons.tsx';
import { useWords } from '../words/words.ts';

interface AttachButtonProps {
  /** Files may be dropped anywhere around it. */
  form: RefObject<HTMLFormElement | null>;
  onFiles(files: Iterable<File>): void;
}

/** Pictures and text files go with a message: chosen here, or dropped anywhere in the chat. */
export function AttachButton({ form, onFiles }: AttachButtonProps) {
  const words = useWords();
  const input = useRef<HTMLInputElement>(null);
  const latest = useRef(onFiles);
  latest.current = onFiles;
  useEffect(() => {
    const around = form.current?.closest<HTMLElement>('.page, .headrace') ?? form.current;
    // A file that is dropped beside its place would take the whole page's.
    const over = (event: DragEvent) => {
      if (event.dataTransfer?.types.includes('Files')) event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      over(event);
      if (event.dataTransfer?.files.length) latest.current(event.dataTransfer.files);
    };
    around?.addEventListener('dragover', over);
    around?.addEventListener('drop', drop);
    return () => {
      around?.removeEventListener('dragover', over);
      around?.removeEventListener('drop', drop);
    };
  }, [form]);
  return (
    <>
      <IconButton label={words.attach} onClick={() => input.current?.click()}>
        <PaperclipIcon />
      </IconButton>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        tabIndex={-1}
        aria-hidden="true"
        onChange={(event) => {
          latest.current(event.target.files ?? []);
          event.target.value = '';
        }}
      />
    </>
  );
}
