import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** What a test does to a request instead of, or after, answering it. */
export type Fault =
  | { kind: 'answer'; status: number; code: string; headers?: Record<string, string>; body?: string }
  /** The connection ends before anything is done. */
  | { kind: 'reset' }
  /** The request is done, and its answer lost. */
  | { kind: 'lose-answer' }
  /** The answer is announced whole, and its connection ends or falls silent after `bytes` of the body. */
  | { kind: 'cut' | 'stall'; bytes: number }
  /** Only the first `bytes` of what is put are kept, and success is answered. */
  | { kind: 'store-less'; bytes: number }
  /** The answer has no end, nor says how long it is. */
  | { kind: 'flood'; status: number }
  /** The answer has no end, and comes a byte at a time. */
  | { kind: 'drip'; status: number }
  /** Nothing is done and nothing answered. */
  | { kind: 'hang' };

export interface S3Request {
  readonly method: string;
  /** Empty for a request to the bucket itself. */
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
}

export interface FakeS3 {
  readonly endpoint: string;
  readonly bucket: string;
  /** What is stored; a test may look at it and change it. */
  readonly values: Map<string, { bytes: Buffer; modifiedAt: Date }>;
  readonly requests: S3Request[];
  /** Asked for every request; undefined means to serve it. */
  fault: (request: S3Request) => Fault | undefined;
  /** Keys that may not be deleted. */
  retains: (key: string) => boolean;
  close(): Promise<void>;
}

export interface FakeS3Options {
  readonly pageSize?: number;
  readonly conditionalWrites?: 'honoured' | 'ignored' | 'refused';
  /** Where it takes the name of the bucket */
  readonly addressing?: 'path' | 'virtual';
  /** What the ETag of a value is. An opaque one looks like an MD5 and is none, as in directory buckets. */
  readonly etags?: 'md5' | 'opaque' | 'absent';
  /** What becomes of the SHA-256 of a write: it is checked and kept, kept as it is, or passed over */
  readonly checksums?: 'checked' | 'echoed' | 'ignored';
}

class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

/**
 * An S3 server inside this process, for tests: one bucket, path-style addresses, whole-object requests. It checks what a
 * real one checks of a request's body, and no signatures.
 */
export async function startFakeS3(options: FakeS3Options = {}): Promise<FakeS3> {
  const { pageSize = 1000, conditionalWrites = 'honoured', etags = 'md5', addressing = 'path' } = options;
  const { checksums = 'ignored' } = options;
  const kept = new Map<string, string>();
  const bucket = 'backups';
  const values: FakeS3['values'] = new Map();
  const requests: S3Request[] = [];
  const server = createServer((message, response) => {
    serve(message, response).catch((error) => {
      if (error instanceof Refusal) answerError(message, response, error.status, error.code);
      else response.destroy(error);
    });
  });

  async function serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(message.url ?? '/', 'http://fake');
    const { method = '', headers } = message;
    const isHost = addressing === 'virtual' && headers.host?.startsWith(`${bucket}.`);
    const path = `${isHost ? `/${bucket}` : ''}${decodeURIComponent(url.pathname)}`;
    const [, name = '', ...parts] = path.split('/');
    const request = { method, key: parts.join('/'), query: url.searchParams, headers };
    requests.push(request);
    const fault = fake.fault(request);
    if (fault?.kind === 'hang') return;
    if (fault?.kind === 'reset') return void message.socket.destroy();
    const body = await buffer(message);
    if (fault?.kind === 'answer') {
      return answerError(message, response, fault.status, fault.code, fault.headers, fault.body);
    }
    if (fault?.kind === 'flood') return flood(response, fault.status);
    if (fault?.kind === 'drip') return drip(response, fault.status);
    if (addressing === 'virtual' && !isHost) throw new Refusal(403, 'SecondLevelDomainForbidden');
    if (name !== bucket) throw new Refusal(404, 'NoSuchBucket');
    checkBody(headers, body);
    const answer = perform(request, fault?.kind === 'store-less' ? body.subarray(0, fault.bytes) : body);
    if (fault?.kind === 'lose-answer') return void message.socket.destroy();
    if ((fault?.kind === 'cut' || fault?.kind === 'stall') && answer.body) {
      response.writeHead(200, { ...answer.headers, 'content-length': answer.body.length });
      response.write(
        answer.body.subarray(0, fault.bytes),
        () => fault.kind === 'cut' && message.socket.destroy(),
      );
      return;
    }
    response.writeHead(answer.status ?? 200, answer.headers);
    response.end(answer.body);
  }

  function perform({ method, key, query, headers }: S3Request, body: Buffer): Answer {
    const value = values.get(key);
    switch (`${method} ${key === '' ? 'bucket' : 'object'}`) {
      case 'GET bucket':
        return xml(listPage(query));
      case 'POST bucket':
        return xml(deleteBatch(headers, body.toString()));
      case 'PUT object':
        if (headers['if-none-match'] === '*') {
          if (conditionalWrites === 'refused') throw new Refusal(501, 'NotImplemented');
          if (conditionalWrites === 'honoured' && value) throw new Refusal(412, 'PreconditionFailed');
        }
        noteChecksum(key, headers, body);
        values.set(key, { bytes: body, modifiedAt: new Date() });
        return {
          headers:
            etags === 'absent'
              ? {}
              : { etag: `"${(etags === 'md5' ? md5(body) : randomBytes(16)).toString('hex')}"` },
        };
      case 'HEAD object':
      case 'GET object': {
        if (!value) throw new Refusal(404, 'NoSuchKey');
        const sha256 = headers['x-amz-checksum-mode'] === 'ENABLED' ? kept.get(key) : undefined;
        const described = {
          ...(sha256 === undefined ? {} : { 'x-amz-checksum-sha256': sha256 }),
          'content-length': String(value.bytes.length),
          'last-modified': value.modifiedAt.toUTCString(),
        };
        return { headers: described, ...(method === 'GET' ? { body: value.bytes } : {}) };
      }
      case 'DELETE object':
        if (fake.retains(key)) throw new Refusal(403, 'AccessDenied');
        values.delete(key);
        return { status: 204 };
      default:
        throw new Refusal(501, 'NotImplemented');
    }
  }

  function noteChecksum(key: string, headers: S3Request['headers'], body: Buffer): void {
    const sent = headers['x-amz-checksum-sha256'];
    kept.delete(key);
    if (checksums === 'ignored' || typeof sent !== 'string') return;
    const right = createHash('sha256').update(body).digest('base64');
    if (checksums === 'checked' && sent !== right) throw new Refusal(400, 'BadDigest');
    kept.set(key, sent);
  }

  function listPage(query: URLSearchParams): string {
    const after = query.get('continuation-token') ?? '';
    const keys = [...values.keys()]
      .filter((key) => key > after && key.startsWith(query.get('prefix') ?? ''))
      .sort();
    const page = keys.slice(0, pageSize);
    const more =
      keys.length > page.length ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : '';
    const contents = page.map((key) => {
      const { bytes, modifiedAt } = values.get(key) ?? { bytes: Buffer.alloc(0), modifiedAt: new Date(0) };
      return `<Contents><Key>${key}</Key><LastModified>${modifiedAt.toISOString()}</LastModified><Size>${bytes.length}</Size></Contents>`;
    });
    return `<ListBucketResult><IsTruncated>${more !== ''}</IsTruncated>${more}${contents.join('')}</ListBucketResult>`;
  }

  function deleteBatch(headers: S3Request['headers'], body: string): string {
    const keys = [...body.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => key);
    if (keys.length > 1000) throw new Refusal(400, 'MalformedXML');
    if (!headers['content-md5'] && !headers['x-amz-checksum-crc32']) throw new Refusal(400, 'InvalidRequest');
    const retained = keys.filter((key) => fake.retains(key));
    for (const key of keys) if (!retained.includes(key)) values.delete(key);
    const errors = retained.map((key) => `<Error><Key>${key}</Key><Code>AccessDenied</Code></Error>`);
    return `<DeleteResult>${errors.join('')}</DeleteResult>`;
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const fake: FakeS3 = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bucket,
    values,
    requests,
    fault: () => undefined,
    retains: () => false,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}

function flood(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  const chunk = Buffer.alloc(1_000_000, ' ');
  const write = () => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', write);
  write();
}

function drip(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  const timer = setInterval(() => response.write(' '), 50);
  response.on('close', () => clearInterval(timer));
}

interface Answer {
  status?: number;
  headers?: Record<string, string>;
  body?: Buffer;
}

function xml(text: string): Answer {
  return {
    headers: { 'content-type': 'application/xml' },
    body: Buffer.from(`<?xml version="1.0"?>${text}`),
  };
}

function md5(bytes: Buffer): Buffer {
  return createHash('md5').update(bytes).digest();
}

/** As strict as the strictest stores: no chunked framing, and every checksum that is sent must be right. */
function checkBody(headers: IncomingMessage['headers'], body: Buffer): void {
  if (headers['content-encoding']?.includes('aws-chunked')) throw new Refusal(501, 'NotImplemented');
  const sentMd5 = headers['content-md5'];
  if (sentMd5 && sentMd5 !== md5(body).toString('base64')) throw new Refusal(400, 'BadDigest');
  const sha256 = headers['x-amz-content-sha256'];
  if (sha256 !== createHash('sha256').update(body).digest('hex')) {
    throw new Refusal(400, 'XAmzContentSHA256Mismatch');
  }
}

function answerError(
  message: IncomingMessage,
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
  body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code} of the fake</Message></Error>`,
): void {
  response.writeHead(status, { 'content-type': 'application/xml', ...headers });
  response.end(message.method === 'HEAD' ? undefined : body);
}
