import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { request } from '../../http/request.ts';
import { ConfigurationError, StorageError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';

/* GitHub's answers about artifacts: their errors, and the download that an answer redirects to. */

/** An artifact as GitHub lists it */
export interface StoredArtifact {
  /** Increases with the time of creation */
  readonly id: number;
  readonly name: string;
  /** Bytes of the zip file */
  readonly size: number;
  /** `sha256:…`; undefined when GitHub has no digest */
  readonly digest: string | undefined;
  /** True when only the list of this run contains it yet */
  readonly isOfThisRun: boolean;
}

export interface ArtifactServiceOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
  /** Before the first retry; three times as many before the next */
  readonly delayMs?: number | undefined;
}

/** Thrown for a failure that a retry may overcome */
export class Unanswered extends StorageError {}

export const tryLater = 'Run it again later; https://www.githubstatus.com tells whether GitHub has trouble.';

export async function fetchTo(
  address: string,
  path: string,
  artifact: StoredArtifact,
  { env, signal }: ArtifactServiceOptions,
): Promise<void> {
  const response = await request(new URL(address), { env, signal });
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Error(`the place of the artifact answers ${response.status}`);
  }
  const hash = createHash('sha256');
  // The digest, or without one the zip file's directory, shows whether the file is complete; this limit keeps
  // the disk from filling up.
  const most = artifact.size * 1.1 + (1 << 20);
  let bytes = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      hash.update(chunk);
      done(bytes > most ? toDamageError(artifact) : null, chunk);
    },
  });
  const source = Readable.fromWeb(response.body as ReadableStream<Uint8Array>);
  await pipeline(source, check, createWriteStream(path, { mode: 0o600 }), { signal });
  const digest = `sha256:${hash.digest('hex')}`;
  if (artifact.digest !== undefined && digest !== artifact.digest) throw toDamageError(artifact);
}

export function toDamageError({ name, id }: StoredArtifact): StorageError {
  return new StorageError(
    `the artifact ${name} (${id}) is not what GitHub stored: its size or its digest differs`,
    'Run this again. To go back to the previous artifact, delete this one in the list of its run.',
  );
}

export function toRefusalError({ status, headers }: Response, repository: string): Error {
  if (
    status >= 500 ||
    status === 429 ||
    headers.get('x-ratelimit-remaining') === '0' ||
    headers.has('retry-after')
  ) {
    return new Unanswered(`GitHub answered ${status} about the artifacts of ${repository}`, tryLater);
  }
  if (status === 410) {
    return new StorageError('the artifact has expired', 'Take a new backup, and keep artifacts longer.', {
      missing: true,
    });
  }
  return new ConfigurationError(
    say`${nameInput('github-token')}: GitHub answered ${status} when asked for the artifacts of ${repository}`,
    status === 401
      ? 'Use a valid token, such as `github.token` of the job.'
      : 'Grant `actions: read` in the `permissions` of the job, and check the name of the repository.',
  );
}
