import { expect, test } from 'vitest';
import { HeadraceClient } from '../index.js';

/** A client of a server that gives these answers, one after another; what it was asked. */
function calls(callMs: number, ...answers: ((signal: AbortSignal) => Promise<Response>)[]) {
  const asked: string[] = [];
  const answer: typeof fetch = (url, init) => {
    asked.push(`${init?.method} ${url}`);
    const next = answers.shift();
    return next ? next(init?.signal as AbortSignal) : Promise.reject(new TypeError('nothing more was expected'));
  };
  return { asked, client: new HeadraceClient({ fetch: answer, share: false, retryMs: 4, callMs }) };
}

const refused = (status: number, code: string) => async () => Response.json({ error: { code } }, { status });
const unavailable = refused(503, 'unavailable');
const PATIENT = 10_000;
const silent = (signal: AbortSignal) =>
  new Promise<Response>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

test('to delete what is gone already is no error: the first answer may have been lost', async () => {
  const { asked, client } = calls(PATIENT, unavailable, refused(404, 'not_found'), refused(403, 'forbidden'));
  await client.remove('c1');
  expect(asked).toEqual(Array(2).fill('DELETE /api/conversations/c1'));
  await expect(client.revokeShare('c1', 's1')).rejects.toMatchObject({ code: 'forbidden' });
});

test('an import whose answer was lost is there once, under the name that it was sent with', async () => {
  const { asked, client } = calls(PATIENT, unavailable, refused(409, 'taken'), refused(400, 'invalid_request'));
  const id = await client.importConversation({});
  expect(asked).toEqual(Array(2).fill(`POST /api/conversations/import?conversation_id=${id}`));
  await expect(client.importConversation({})).rejects.toMatchObject({ code: 'invalid_request' });
});

test('a call that is not answered is given up, and says so', async () => {
  const { asked, client } = calls(200, silent);
  await expect(client.models()).rejects.toMatchObject({ code: 'silent', retryable: true });
  expect(asked).toHaveLength(1);
});

test('an answer that breaks off is asked for again', async () => {
  const broken = async () => new Response(new ReadableStream({ pull: (body) => body.error(new TypeError('cut')) }));
  const { asked, client } = calls(PATIENT, broken, async () => Response.json({ data: [] }));
  expect(await client.models()).toEqual([]);
  expect(asked).toHaveLength(2);
});

test('a page of a list is asked for by what it is to have', async () => {
  const { asked, client } = calls(PATIENT, async () => Response.json({ conversations: [] }));
  await client.conversationPage({ query: 'a b', limit: 0, before: 'x' });
  expect(asked).toEqual(['GET /api/conversations?q=a+b&limit=0&before=x']);
});
