import { spawn, spawnSync } from 'node:child_process';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { S3Storage } from '../src/storage/s3/store.ts';
import type { Storage } from '../src/storage/storage.ts';
import { presentContext } from '../test/support/context.ts';
import { Link } from './link.ts';

/** milliseconds from a request to its answer: a store in another region, or reached from an office */
const latency = 50;

const bucket = 'supabase-backup-bench';

/** Any will do: the server is for tests, or the credentials of `BENCH_S3_ENDPOINT` are set. */
const credentials = {
  AWS_ACCESS_KEY_ID: process.env.AWS_ACCESS_KEY_ID ?? 'benchmark',
  AWS_SECRET_ACCESS_KEY: process.env.AWS_SECRET_ACCESS_KEY ?? 'benchmark',
  AWS_REGION: 'us-east-1',
};

/** A server of S3 that others wrote, and a slow way to it. */
export class ObjectStore {
  readonly link: Link;
  readonly #endpoint: URL;

  private constructor(endpoint: URL, link: Link) {
    this.#endpoint = endpoint;
    this.link = link;
  }

  /** Why none can be had here; undefined when one can. */
  static findMissing(): string | undefined {
    if (process.env.BENCH_S3_ENDPOINT || spawnSync('moto_server', ['--help']).status === 0) return undefined;
    return 'no S3 server: set BENCH_S3_ENDPOINT, or pip install "moto[server]"';
  }

  /** The one of BENCH_S3_ENDPOINT, or one of its own that keeps all in memory */
  static async open(): Promise<ObjectStore> {
    Object.assign(process.env, credentials);
    const given = process.env.BENCH_S3_ENDPOINT;
    const port = await findPort();
    const endpoint = new URL(given ?? `http://127.0.0.1:${port}`);
    if (given === undefined) await startMoto(endpoint);
    await makeBucket(endpoint);
    return new ObjectStore(endpoint, await Link.open(endpoint, latency));
  }

  /** The same place without the slow way, for what is not measured */
  openNearby(prefix: string): Storage {
    return new S3Storage({
      bucket,
      prefix,
      endpoint: this.#endpoint,
      region: credentials.AWS_REGION,
      context: presentContext,
    });
  }

  /** Arguments for a command of ours that reaches a repository over the link, or nearby */
  locate(prefix: string, way: 'link' | 'nearby' = 'link'): string[] {
    const endpoint = way === 'link' ? this.link.url : this.#endpoint.href;
    return ['--storage', `s3://${bucket}/${prefix}`, '--s3-endpoint', endpoint, '--s3-region', 'us-east-1'];
  }

  resticLocation(prefix: string): string {
    return `s3:${this.link.url}/${bucket}/${prefix}`;
  }

  get env(): NodeJS.ProcessEnv {
    return credentials;
  }
}

async function startMoto({ hostname, port }: URL): Promise<void> {
  const server = spawn('moto_server', ['-H', hostname, '-p', port], { stdio: 'ignore' });
  server.unref();
  process.on('exit', () => server.kill());
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      await fetch(`http://${hostname}:${port}/`);
      return;
    } catch {
      await sleep(100);
    }
  }
  throw new Error('moto_server did not answer within 20 seconds');
}

async function makeBucket(endpoint: URL): Promise<void> {
  const headers = {
    authorization:
      'AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0',
  };
  const made = await fetch(new URL(`/${bucket}`, endpoint), { method: 'PUT', headers });
  // A server that checks signatures refuses; then the bucket has to be there.
  if (!made.ok && made.status !== 409 && made.status !== 403) {
    throw new Error(`no bucket ${bucket} at ${endpoint.href}: HTTP ${made.status}`);
  }
}

async function findPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** All that lies under a prefix, to be put there again. */
export async function saveAll(storage: Storage): Promise<ReadonlyMap<string, Buffer>> {
  const values = new Map<string, Buffer>();
  for await (const { key } of storage.list('')) values.set(key, await storage.get(key));
  return values;
}

/** Makes what lies under a prefix what was saved. */
export async function bringBack(storage: Storage, saved: ReadonlyMap<string, Buffer>): Promise<void> {
  const there = new Set<string>();
  for await (const { key } of storage.list('')) there.add(key);
  const others = [...there].filter((key) => !saved.has(key));
  if (others.length > 0) await storage.delete(others);
  const missing = [...saved].filter(([key]) => !there.has(key));
  await Promise.all(missing.map(([key, value]) => storage.put(key, value)));
}
