// Puts objects with aws4fetch itself, then visits them through the Worker. Started by `run`.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { AwsClient } from 'aws4fetch';
import { build } from 'esbuild';
import { Miniflare } from 'miniflare';

const [endpoint, KEY, SECRET, ENDPOINT] = process.argv.slice(2);
const BUCKET = `client-${randomBytes(8).toString('hex')}`;
const own = new AwsClient({ accessKeyId: KEY, secretAccessKey: SECRET, service: 's3', retries: 0 });
const ask = async (path, method, body) => {
  const answer = await own.fetch(`${endpoint}/${BUCKET}${path}`, { method, body });
  assert(answer.ok, `${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer;
};
const body = randomBytes(50_000);
const same = (found, wanted) => assert(Buffer.compare(Buffer.from(found), Buffer.from(wanted)) === 0, 'other bytes');

const bundled = await build({
  entryPoints: ['worker.mjs'], bundle: true, format: 'esm', write: false, logLevel: 'error',
});
// Whatever the Worker fetches lands at the gateway, with its Host as it was: no DNS, no TLS.
const address = new URL(endpoint).host;
const worker = new Miniflare({
  modules: true,
  script: bundled.outputFiles[0].text,
  compatibilityDate: '2026-01-01',
  bindings: { KEY, SECRET, BUCKET, ENDPOINT },
  outboundService: { external: { address, http: {} } },
  cf: false,
});
const visit = (path, init) => worker.dispatchFetch(`https://worker.example${path}`, init);

try {
  await ask('', 'PUT');
  // The key, and its path as a visitor's browser sends it.
  const keys = {
    plain: '/plain', 'dir/a b': '/dir/a%20b', 'ä€😀': '/%C3%A4%E2%82%AC%F0%9F%98%80',
    'escaped+plus': '/escaped%2Bplus', "it's (1)!*": "/it's%20(1)!*", 'x//y': '/x//y', '%41': '/%2541',
  };
  for (const path of Object.values(keys)) {
    console.log('GET, HEAD, Range', path);
    await ask(path, 'PUT', body);
    const got = await visit(path);
    assert.equal(got.status, 200, `${path}: ${await got.clone().text().catch(() => '')}`);
    same(await got.arrayBuffer(), body);

    const head = await visit(path, { method: 'HEAD' });
    assert.equal(head.status, 200, path);
    assert.equal(head.headers.get('content-length'), String(body.length));
    same(await head.arrayBuffer(), '');

    const part = await visit(path, { headers: { range: 'bytes=100-299' } });
    assert.equal(part.status, 206, path);
    assert.equal(part.headers.get('content-range'), `bytes 100-299/${body.length}`);
    same(await part.arrayBuffer(), body.subarray(100, 300));
  }

  console.log('a raw plus, which aws4fetch signs as a space');
  await ask('/raw%20plus', 'PUT', 'space');
  await ask('/raw%2Bplus', 'PUT', 'plus');
  // The key is the one that was signed.
  assert.equal(await (await visit('/raw+plus')).text(), 'space');
  assert.equal(await (await visit('/raw%2Bplus')).text(), 'plus');

  console.log('headers of browsers are signed as they come');
  const browser = {
    accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.8', 'accept-language': 'de, en;q=0.5',
    'sec-fetch-mode': 'navigate', 'user-agent': 'Mozilla/5.0  (two  spaces)',
  };
  assert.equal((await visit('/plain', { headers: browser })).status, 200);

  console.log('what is not there');
  assert.equal((await visit('/none')).status, 404);
  const beyond = await visit('/plain', { headers: { range: 'bytes=99999-' } });
  assert.equal(beyond.status, 416);

  console.log('a listing by the query');
  const listed = await (await visit('/?list-type=2&prefix=dir%2F')).text();
  assert(listed.includes('<Key>dir/a b</Key>'), listed);

  for (const path of [...Object.values(keys), '/raw%20plus', '/raw%2Bplus', '']) await ask(path, 'DELETE');
} finally {
  await worker.dispose();
}
