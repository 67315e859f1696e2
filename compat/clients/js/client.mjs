// What programs do with the AWS SDK for JavaScript v3; ends at the first wrong byte. Started by `run`.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import {
  CopyObjectCommand, CreateBucketCommand, DeleteBucketCommand, DeleteObjectCommand,
  DeleteObjectsCommand, GetObjectCommand, HeadBucketCommand, HeadObjectCommand,
  ListBucketsCommand, ListObjectsCommand, PutObjectCommand, S3Client, paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';

const [endpoint, accessKeyId, secretAccessKey] = process.argv.slice(2);
const settings = {
  endpoint, region: 'us-east-1', forcePathStyle: true, maxAttempts: 1,
  credentials: { accessKeyId, secretAccessKey },
};
const s3 = new S3Client(settings);
const Bucket = `client-${randomBytes(8).toString('hex')}`;

const md5 = (bytes) => `"${createHash('md5').update(bytes).digest('hex')}"`;
const read = async (Key, more = {}) => {
  const got = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return Buffer.from(await got.Body.transformToByteArray());
};
const same = (found, wanted) => assert(Buffer.compare(Buffer.from(found), Buffer.from(wanted)) === 0, 'other bytes');
const refused = (name, command) =>
  assert.rejects(s3.send(command), (error) => error.name === name || assert.fail(`${name} and not ${error}`));

const body = randomBytes(100_000);
const keys = ['plain', 'a b+c', 'ä€😀/ü', 'x//y', '%41', "(it's)!*~", 'q?a=b&c#d'];

const steps = {
  async buckets() {
    await s3.send(new CreateBucketCommand({ Bucket }));
    await s3.send(new HeadBucketCommand({ Bucket }));
    const { Buckets } = await s3.send(new ListBucketsCommand({}));
    assert(Buckets.some(({ Name }) => Name === Bucket));
  },

  async objects() {
    for (const Key of keys) {
      const put = await s3.send(new PutObjectCommand({ Bucket, Key, Body: body }));
      assert.equal(put.ETag, md5(body));
      same(await read(Key), body);
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key }));
      assert.deepEqual([head.ContentLength, head.ETag], [body.length, md5(body)]);
    }
    await s3.send(new PutObjectCommand({ Bucket, Key: 'empty', Body: '' }));
    same(await read('empty'), '');
    same(await read('plain', { Range: 'bytes=10-19' }), body.subarray(10, 20));
    same(await read('plain', { Range: 'bytes=-5' }), body.subarray(-5));
    await refused('NoSuchKey', new GetObjectCommand({ Bucket, Key: 'none' }));
    await refused('NotFound', new HeadObjectCommand({ Bucket, Key: 'none' }));
  },

  // A stream's checksum comes behind it, in a trailer, over plain HTTP as well.
  async streams() {
    writeFileSync('file', body);
    const Body = () => createReadStream('file', { highWaterMark: 7_001 });
    for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']) {
      const asked = { Bucket, Key: 'stream', Body: Body(), ContentLength: body.length, ChecksumAlgorithm };
      const put = await s3.send(new PutObjectCommand(asked));
      const member = `Checksum${ChecksumAlgorithm}`;
      const get = new GetObjectCommand({ Bucket, Key: 'stream', ChecksumMode: 'ENABLED' });
      const got = await s3.send(get);
      same(await got.Body.transformToByteArray(), body);
      assert(got[member] && got[member] === put[member], `${member}: ${put[member]}, ${got[member]}`);
    }
  },

  async metadata() {
    const Metadata = { colour: 'blue', 'with-dash': 'a=b; c' };
    const told = { ContentType: 'text/x-odd', CacheControl: 'max-age=7', ContentLanguage: 'de' };
    await s3.send(new PutObjectCommand({ Bucket, Key: 'told', Body: 'x', Metadata, ...told }));
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'told' }));
    assert.deepEqual(head.Metadata, Metadata);
    for (const [name, value] of Object.entries(told)) assert.equal(head[name], value);
  },

  async conditions() {
    const put = (more) => new PutObjectCommand({ Bucket, Key: 'held', Body: '1', ...more });
    const { ETag } = await s3.send(put({ IfNoneMatch: '*' }));
    await refused('PreconditionFailed', put({ IfNoneMatch: '*' }));
    await refused('PreconditionFailed', put({ IfMatch: '"0"' }));
    await s3.send(put({ IfMatch: ETag }));
  },

  async listings() {
    const found = [];
    for await (const page of paginateListObjectsV2({ client: s3, pageSize: 3 }, { Bucket })) {
      found.push(...page.Contents.map(({ Key }) => Key));
    }
    const order = [...found].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    assert.deepEqual(found, order);
    for (const key of keys) assert(found.includes(key), key);
    const first = await s3.send(new ListObjectsCommand({ Bucket, Delimiter: '/', Prefix: 'x/' }));
    assert.deepEqual(first.CommonPrefixes.map(({ Prefix }) => Prefix), ['x//']);
  },

  async copies() {
    const CopySource = encodeURI(`${Bucket}/ä€😀/ü`);
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource }));
    same(await read('copy'), body);
  },

  async presigned() {
    // The default would sign the checksum of an empty body into the URL.
    const signing = new S3Client({ ...settings, requestChecksumCalculation: 'WHEN_REQUIRED' });
    const asked = { Bucket, Key: 'signed ä+b', ContentType: 'text/x-signed' };
    const put = await getSignedUrl(signing, new PutObjectCommand(asked), { expiresIn: 60 });
    const headers = { 'content-type': 'text/x-signed' };
    const answer = await fetch(put, { method: 'PUT', body, headers });
    assert.equal(answer.status, 200, await answer.text());
    const get = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: 'signed ä+b' }));
    same(await (await fetch(get)).arrayBuffer(), body);
    assert.equal((await fetch(get.replace('signed', 'signee'))).status, 403);
  },

  async upload() {
    const large = randomBytes(20 * 1024 * 1024 + 1);
    const params = { Bucket, Key: 'large', Body: Readable.from(slices(large)), Metadata: { by: 'lib-storage' } };
    await new Upload({ client: s3, params, partSize: 5 * 1024 * 1024, queueSize: 3 }).done();
    same(await read('large'), large);
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'large' }));
    assert.deepEqual(head.Metadata, { by: 'lib-storage' });
    assert.match(head.ETag, /-5"$/);
  },

  async the_end() {
    await refused('BucketNotEmpty', new DeleteBucketCommand({ Bucket }));
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'plain' }));
    for await (const { Contents } of paginateListObjectsV2({ client: s3 }, { Bucket })) {
      const Objects = Contents.map(({ Key }) => ({ Key }));
      const done = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
      assert.equal(done.Deleted.length, Objects.length);
    }
    await s3.send(new DeleteBucketCommand({ Bucket }));
    await refused('NotFound', new HeadBucketCommand({ Bucket }));
  },
};

function* slices(bytes) {
  for (let at = 0; at < bytes.length; at += 100_003) yield bytes.subarray(at, at + 100_003);
}

for (const [name, step] of Object.entries(steps)) {
  console.log(name);
  await step();
}
