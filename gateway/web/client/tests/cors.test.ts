import { expect, test, vi } from 'vitest';
import { isOriginRefused } from '../cors.js';
import { HeadraceClient, HeadraceError } from '../index.js';

const APP = 'https://app.example';
const SERVER = 'https://chat.example';

/** Why a call of a page at *APP* fails; *arrives* says what the network does with a request. */
async function failure(arrives: (mode: RequestMode, path: string) => boolean, baseUrl = SERVER) {
  vi.stubGlobal('location', { origin: APP, href: `${APP}/` });
  const asked: string[] = [];
  const client = new HeadraceClient({
    baseUrl,
    retryMs: 1,
    callMs: 20,
    fetch: async (address, { mode = 'cors' } = {}) => {
      asked.push(`${mode} ${address}`);
      if (!arrives(mode, String(address))) throw new TypeError('Failed to fetch');
      return new Response('{"data": []}');
    },
  });
  const failed: unknown = await client.models().catch((error: unknown) => error);
  return { code: failed instanceof HeadraceError ? failed.code : null, failed, asked, client };
}

test('a server that answers nobody who may read it does not allow this address', async () => {
  const { code, failed } = await failure((mode) => mode === 'no-cors');
  expect(code).toBe('origin_refused');
  expect(failed).toMatchObject({ retryable: false, message: expect.stringContaining('set HEADRACE_CORS_ORIGINS') });
  expect(failed).toMatchObject({ message: expect.stringContaining(APP) });
});

test('without a network, or by who has left, no server is asked', async () => {
  vi.stubGlobal('location', { origin: APP, href: `${APP}/` });
  const ask = vi.fn<typeof fetch>();
  expect(await isOriginRefused(ask, SERVER, AbortSignal.abort())).toBe(false);
  vi.stubGlobal('navigator', { onLine: false });
  expect(await isOriginRefused(ask, SERVER, new AbortController().signal)).toBe(false);
  expect(ask).not.toHaveBeenCalled();
});

test('one that is away cannot be reached', async () => {
  expect((await failure(() => false)).code).toBe('unreachable');
});

test('one that has come back meanwhile is asked again', async () => {
  let isUp = false;
  const { code } = await failure((_, path) => {
    const was = isUp;
    isUp ||= path.endsWith('/livez');
    return was || isUp;
  });
  expect(code).toBeNull();
});

test('the own one needs no permission, and one that has answered has given it', async () => {
  const own = await failure((mode) => mode === 'no-cors', APP);
  expect([own.code, own.asked.some((each) => each.includes('livez'))]).toEqual(['unreachable', false]);
  let isUp = true;
  const heard = await failure((mode) => isUp || mode === 'no-cors');
  expect(heard.code).toBeNull();
  isUp = false;
  expect(await heard.client.models().catch(({ code }: HeadraceError) => code)).toBe('unreachable');
});
