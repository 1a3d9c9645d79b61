import { useState } from 'react';
import { ImageIcon } from '../app/icons.tsx';
import { useWords } from '../words/words.ts';
import { pictureAddress } from './addresses.ts';

/** A picture is fetched when the reader says so: its address alone can carry words out of a conversation. */
export function Picture({ src, alt = '' }: { node?: unknown; src?: string | Blob; alt?: string }) {
  const words = useWords();
  const [state, setState] = useState<'asked' | 'shown' | 'failed'>('asked');
  const address = pictureAddress(src);
  if (!address) return <span className="dead-link">{alt || words.picture}</span>;
  if (state === 'failed') return <span className="dead-link">{words.pictureFailed(alt)}</span>;
  if (state === 'shown' || address.origin === location.origin) {
    return (
      <img
        className="picture"
        src={address.href}
        alt={alt}
        loading="lazy"
        decoding="async"
        referrerPolicy="no-referrer"
        onError={() => setState('failed')}
      />
    );
  }
  return (
    <button type="button" className="picture-offer" title={address.href} onClick={() => setState('shown')}>
      <ImageIcon />
      <span>
        {words.showPicture(alt)} <small>{address.host}</small>
      </span>
    </button>
  );
}
