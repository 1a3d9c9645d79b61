/** Signing in at the server that this page is from: a cookie that no script can read then stands for the key. */

export interface Session {
  signed_in: boolean;
  tenant?: string;
  user?: string;
  /** Where people sign in at an issuer, if they can. */
  issuer?: string;
}

/** Who is signed in at this browser; nobody, where that cannot be asked. */
export async function whoIsThere(): Promise<Session> {
  try {
    const response = await fetch('/api/session', { cache: 'no-store' });
    if (response.ok) return (await response.json()) as Session;
  } catch {
    // Unreachable: whatever else is asked will say so.
  }
  return { signed_in: false };
}

/** Sign in with a key, and stay so on this device: whether the server takes the key, or could not be asked. */
export async function signIn(key: string): Promise<'in' | 'refused' | 'failed'> {
  try {
    const response = await fetch('/api/session', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ key, remember: true }),
    });
    if (response.ok) return 'in';
    return response.status < 500 ? 'refused' : 'failed';
  } catch {
    return 'failed';
  }
}

/** Sign out, and leave nothing of what was written here to whoever comes next. False where the server did not hear it. */
export async function signOut(): Promise<boolean> {
  try {
    const response = await fetch('/api/session', { method: 'DELETE' });
    if (!response.ok) return false;
  } catch {
    return false;
  }
  localStorage.clear();
  sessionStorage.clear();
  for (const { name } of (await indexedDB.databases?.()) ?? []) if (name) indexedDB.deleteDatabase(name);
  location.assign('/');
  return true;
}
