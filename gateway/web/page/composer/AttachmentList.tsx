import { IconButton } from '../app/IconButton.tsx';
import { CloseIcon, FileIcon } from '../app/icons.tsx';
import { useFurtherWords } from '../words/further.ts';
import type { Attachment } from './useAttachments.ts';

interface AttachmentListProps {
  items: readonly Attachment[];
  onRemove(id: number): void;
}

/** What goes with the next message; each can be taken away again. */
export function AttachmentList({ items, onRemove }: AttachmentListProps) {
  const further = useFurtherWords();
  if (items.length === 0) return null;
  return (
    <ul className="attachments" aria-label={further.attachments}>
      {items.map(({ id, name, preview, part, refused }) => (
        <li key={id} data-refused={refused !== null || undefined} aria-busy={!part && !refused}>
          {preview ? <img src={preview} alt="" /> : <FileIcon />}
          <span className="attachment-name" dir="auto" title={name}>
            {name}
            {refused && <small role="alert">{further.attachmentRefused(refused)}</small>}
            {!part && !refused && <small role="status">{further.uploading}</small>}
          </span>
          <IconButton label={further.removeAttachment(name)} onClick={() => onRemove(id)}>
            <CloseIcon />
          </IconButton>
        </li>
      ))}
    </ul>
  );
}
