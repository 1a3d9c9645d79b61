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

test('each call asks for what it is, by ids of any letters, and in the words of the server', async () => {
  const asked: unknown[] = [];
  const given = { id: 'c2', shares: ['link'] };
  const answer: typeof fetch = async (url, init) => {
    asked.push([`${init?.method} ${url}`, init?.body ? JSON.parse(String(init.body)) : null]);
    return Response.json(given);
  };
  const client = new HeadraceClient({ fetch: answer, share: false });
  const settings = { model: 'm', systemPrompt: 'Be kind.', temperature: 0, maxTokens: 5 };
  expect(await client.configure('a/b', settings)).toEqual(given);
  await client.rename('a/b', 'New');
  await client.share('a/b', { expiresS: 60 });
  expect(await client.shares('a/b')).toEqual(['link']);
  await client.revokeShare('a/b', 'c/d');
  await client.showBranch('a/b', 'gen_1');
  await client.fork('a/b');
  await client.restore('a/b');
  await client.status('a/b');
  await client.conversation('a/b', { branches: true });
  const at = '/api/conversations/a%2Fb';
  expect(asked).toEqual([
    [`PATCH ${at}`, { settings: { model: 'm', system_prompt: 'Be kind.', temperature: 0, max_tokens: 5 } }],
    [`PATCH ${at}`, { title: 'New' }],
    [`POST ${at}/share`, { expires_s: 60 }],
    [`GET ${at}/share`, null],
    [`DELETE ${at}/share/c%2Fd`, null],
    [`POST ${at}/branch`, { generation_id: 'gen_1' }],
    [`POST ${at}/fork`, null],
    [`POST ${at}/restore`, null],
    ['GET /api/chat/a%2Fb', null],
    [`GET ${at}?branches=true`, null],
  ]);
});

test('a file is what the server takes it for, has its name, and may be refused', async () => {
  const uploaded = (content_type: string) => async () => Response.json({ blob: 'b', content_type, size: 1 });
  const named = { headers: { 'Content-Disposition': "attachment; filename*=UTF-8''%C3%A4.md" } };
  const { client } = calls(
    PATIENT,
    uploaded('image/png'),
    uploaded('text/plain'),
    refused(404, 'not_found'),
    async () => new Response('# ä', named),
    async () => new Response('{}'),
  );
  const file = new Blob(['x']);
  expect(await client.upload(file, { name: 'a' })).toMatchObject({
    type: 'image',
    name: 'a',
    contentType: 'image/png',
  });
  expect(await client.upload(file)).toMatchObject({ type: 'file', name: '', blob: 'b', size: 1 });
  await expect(client.blob('b')).rejects.toMatchObject({ code: 'not_found', status: 404 });
  expect(await client.exportConversation('c', 'markdown')).toEqual({ name: 'ä.md', text: '# ä' });
  expect(await client.exportConversation('c', 'json')).toEqual({ name: 'conversation.json', text: '{}' });
});

test('a call whose owner leaves is ended, on its way or before the next try', async () => {
  const left = new Error('left');
  for (const answer of [silent, unavailable]) {
    const leave = new AbortController();
    const { asked, client } = calls(PATIENT, (signal) => {
      queueMicrotask(() => leave.abort(left));
      return answer(signal);
    });
    await expect(client.models({ signal: leave.signal })).rejects.toBe(left);
    expect(asked).toHaveLength(1);
  }
});
