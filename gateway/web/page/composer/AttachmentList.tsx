import { IconButton } from '../app/IconButton.tsx';
import { CloseIcon, FileIcon } from '../app/icons.tsx';
import { useWords } from '../words/words.ts';
import type { Attachment } from './useAttachments.ts';

interface AttachmentListProps {
  items: readonly Attachment[];
  onRemove(id: number): void;
}

/** What goes with the next message; each can be taken away again. */
export function AttachmentList({ items, onRemove }: AttachmentListProps) {
  const words = useWords();
  if (items.length === 0) return null;
  return (
    <ul className="attachments" aria-label={words.attachments}>
      {items.map(({ id, name, preview, part, refused }) => (
        <li key={id} data-refused={refused !== null || undefined} aria-busy={!part && !refused}>
          {preview ? <img src={preview} alt="" /> : <FileIcon />}
          <span className="attachment-name" dir="auto" title={name}>
            {name}
            {refused && <small role="alert">{words.attachmentRefused(refused)}</small>}
            {!part && !refused && <small role="status">{words.uploading}</small>}
          </span>
          <IconButton label={words.removeAttachment(name)} onClick={() => onRemove(id)}>
            <CloseIcon />
          </IconButton>
        </li>
      ))}
    </ul>
  );
}
