import { useCallback, useEffect, useState } from 'react';
import type { HeadraceClient, NewShare, Share } from '../../client/index.js';
import { CopyButton } from '../app/CopyButton.tsx';
import { IconButton } from '../app/IconButton.tsx';
import { CloseIcon } from '../app/icons.tsx';
import { useFurtherWords } from '../words/further.ts';
import { useWords } from '../words/words.ts';

interface SharingProps {
  client: HeadraceClient;
  conversationId: string;
}

const DAY_S = 24 * 3600;
const DAYS = [1, 7, 30] as const;

/** Read-only links to a conversation: made, copied, revoked. */
export function Sharing({ client, conversationId }: SharingProps) {
  const words = useWords();
  const further = useFurtherWords();
  const [shares, setShares] = useState<readonly Share[]>([]);
  const [made, setMade] = useState<NewShare | null>(null);
  const [days, setDays] = useState<number>(7);
  const [isFailed, setFailed] = useState(false);
  const look = useCallback(
    () =>
      client.shares(conversationId).then(setShares, () => {
        setFailed(true);
      }),
    [client, conversationId],
  );
  useEffect(() => void look(), [look]);
  const doing = async (work: Promise<void>) => {
    try {
      await work;
      setFailed(false);
    } catch {
      setFailed(true);
    }
    await look();
  };
  const make = async () => setMade(await client.share(conversationId, { expiresS: days * DAY_S }));
  const revoke = async (id: string) => {
    await client.revokeShare(conversationId, id);
    if (made?.id === id) setMade(null);
  };
  const address = made && new URL(made.path, location.href).href;
  return (
    <fieldset className="sharing">
      <legend>{further.sharing}</legend>
      <p className="note">{further.sharingNote}</p>
      <div>
        <label>
          {further.shareFor}
          <select value={days} onChange={(event) => setDays(Number(event.target.value))}>
            {DAYS.map((each) => (
              <option key={each} value={each}>
                {further.days(each)}
              </option>
            ))}
          </select>
        </label>
        <button type="button" className="button" onClick={() => void doing(make())}>
          {further.makeLink}
        </button>
      </div>
      {address && (
        <p className="share-link" role="status">
          <input readOnly value={address} aria-label={further.link} onFocus={(event) => event.target.select()} />
          <CopyButton text={address} label={further.copyLink} />
        </p>
      )}
      <ul aria-label={further.links}>
        {shares.map(({ id, created_ms, expires_ms }) => (
          <li key={id}>
            <span>{further.linkUntil(stamp(created_ms, words.language), stamp(expires_ms, words.language))}</span>
            <IconButton
              label={further.revokeLink(stamp(created_ms, words.language))}
              onClick={() => void doing(revoke(id))}
            >
              <CloseIcon />
            </IconButton>
          </li>
        ))}
      </ul>
      {isFailed && <p role="alert">{further.sharingFailed}</p>}
    </fieldset>
  );
}

function stamp(ms: number, language: string): string {
  return new Date(ms).toLocaleString(language, { dateStyle: 'medium', timeStyle: 'short' });
}
