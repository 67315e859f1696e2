// What people deploy in front of a private bucket: the visitor's request, with the bucket's host and a
// signature. It signs the headers as they come, names no region, and asks GET where the visitor asks HEAD.
import { AwsClient } from 'aws4fetch';

const UNSIGNABLE = ['x-forwarded-proto', 'x-real-ip', 'accept-encoding', 'conditional', 'if-match',
  'if-modified-since', 'if-none-match', 'if-range', 'if-unmodified-since'];
const RANGE_RETRIES = 3;

export default {
  async fetch(request, env) {
    if (!['GET', 'HEAD'].includes(request.method)) return new Response(null, { status: 405 });
    const url = new URL(request.url);
    url.protocol = 'https:';
    url.port = '443';
    url.hostname = `${env.BUCKET}.${env.ENDPOINT}`;
    const headers = new Headers([...request.headers].filter(
      ([name]) => !UNSIGNABLE.includes(name) && !name.startsWith('cf-'),
    ));
    const client = new AwsClient({ accessKeyId: env.KEY, secretAccessKey: env.SECRET, service: 's3' });
    const signed = await client.sign(url.toString(), { method: 'GET', headers });
    let answer = await fetch(signed);
    // A proxy on the way may have dropped the range.
    for (let tries = 1; headers.has('range') && tries < RANGE_RETRIES; tries += 1) {
      if (!answer.ok || answer.headers.has('content-range')) break;
      answer = await fetch(signed);
    }
    return request.method === 'HEAD' ? new Response(null, answer) : answer;
  },
};
