import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { explainSilence, NoAnswer, request } from '../../http/request.ts';
import { retry } from '../../http/retry.ts';
import { ConfigurationError, isKnownError, messageOf, StorageError } from '../../runtime/errors.ts';
import { nameInput, say } from '../../runtime/wording.ts';
import {
  type ArtifactServiceOptions,
  fetchTo,
  type StoredArtifact,
  toDamageError,
  toRefusalError,
  tryLater,
  Unanswered,
} from './answers.ts';

const listSchema = v.object({
  artifacts: v.array(
    v.object({
      id: v.number(),
      name: v.string(),
      size_in_bytes: v.number(),
      expired: v.boolean(),
      digest: v.nullish(v.string()),
      workflow_run: v.nullish(
        v.object({
          repository_id: v.nullish(v.number()),
          head_repository_id: v.nullish(v.number()),
          head_branch: v.nullish(v.string()),
        }),
      ),
    }),
  ),
});

const repositorySchema = v.object({ default_branch: v.pipe(v.string(), v.minLength(1)) });

type ListedArtifact = v.InferOutput<typeof listSchema>['artifacts'][number];

const pageSize = 100;
const mostPages = 100;
/** Milliseconds for one request, until its answer has begun */
const answerTimeoutMs = 60_000;

/**
 * The artifacts of one GitHub repository. They are read by the REST API, with a token. They are written
 * through GitHub's own client to the runner's service, which only a JavaScript action can use.
 */
export class ArtifactService {
  readonly repository: string;
  /** Whether this process has the token and the address that an upload needs */
  readonly canWrite: boolean;
  readonly #options: ArtifactServiceOptions;
  readonly #token: string;
  #defaultBranch: Promise<string> | undefined;

  /** @throws ConfigurationError when the GitHub repository, the token or support for artifacts is missing */
  constructor(options: ArtifactServiceOptions) {
    const { env, token } = options;
    const { GITHUB_REPOSITORY = '', ACTIONS_RUNTIME_TOKEN, ACTIONS_RESULTS_URL } = env;
    if (!/^[\w.-]+\/[\w.-]+$/.test(GITHUB_REPOSITORY)) {
      throw new ConfigurationError(
        say`${nameInput('storage')}: GITHUB_REPOSITORY does not name the repository of the artifact`,
        'Set GITHUB_REPOSITORY to owner/name. On a GitHub runner, it is already set.',
      );
    }
    if (isEnterpriseServer(env)) {
      throw new ConfigurationError(
        say`${nameInput('storage')}: GitHub Enterprise Server does not support the artifacts that artifact:// needs`,
        'Use an s3:// storage, or a folder.',
      );
    }
    if (token === undefined) {
      throw new ConfigurationError(
        say`${nameInput('github-token')}: an artifact:// storage needs it to find the artifacts of earlier runs`,
        'Give `github.token` of the job, and grant `actions: read` in the `permissions` of the job.',
      );
    }
    this.repository = GITHUB_REPOSITORY;
    this.canWrite = Boolean(ACTIONS_RUNTIME_TOKEN && ACTIONS_RESULTS_URL);
    this.#options = options;
    this.#token = token;
  }

  /**
   * Lists artifacts of these names that have not expired, newest first. Older artifacts may be missing, a
   * newer one never. Only artifacts of the default branch and of this run are trusted: a pull request, or a
   * push to another branch, can run any job, and a job needs neither permission nor secret to store any
   * artifact under any name.
   *
   * @throws ConfigurationError when GitHub refuses the token or does not know the repository
   * @throws StorageError when GitHub does not answer
   */
  async list(names: readonly string[]): Promise<StoredArtifact[]> {
    const found = new Map<number, StoredArtifact>();
    for (const name of names)
      for (const artifact of await this.#listByName(name)) found.set(artifact.id, artifact);
    // An artifact that this run has just stored may be missing in the repository's list.
    for (const artifact of await this.listOfRun(names))
      if (!found.has(artifact.id)) found.set(artifact.id, artifact);
    return [...found.values()].sort((one, other) => other.id - one.id);
  }

  /** Says why other runs would not trust an artifact of this run; undefined when they would. */
  async findDistrust(): Promise<string | undefined> {
    const [trusted, ref] = [await this.#findDefaultBranch(), this.#options.env.GITHUB_REF];
    return ref === `refs/heads/${trusted}`
      ? undefined
      : `only runs of ${trusted}, the default branch, are believed, and this is one of ${ref ?? 'no branch that is known'}`;
  }

  /** Lists the artifacts of this run, newest first; empty outside of a runner. */
  async listOfRun(names: readonly string[]): Promise<StoredArtifact[]> {
    if (!this.canWrite) return [];
    const client = await openClient();
    const { artifacts } = await this.#carryOut('listed', () => client.listArtifacts());
    return artifacts
      .filter(({ name }) => names.includes(name))
      .map(({ id, name, size, digest }) => ({ id, name, size, digest, isOfThisRun: true }))
      .sort((one, other) => other.id - one.id);
  }

  /**
   * Downloads the zip file of an artifact.
   *
   * @param folder an empty folder
   * @returns the path of the zip file in it
   * @throws StorageError when the artifact cannot be downloaded, or differs from what GitHub stored
   */
  async download(artifact: StoredArtifact, folder: string): Promise<string> {
    const path = join(folder, 'artifact.zip');
    if (artifact.isOfThisRun) {
      const client = await openClient();
      const options = {
        path: folder,
        skipDecompress: true,
        ...(artifact.digest && { expectedHash: artifact.digest }),
      };
      const { digestMismatch } = await this.#carryOut('downloaded', () =>
        client.downloadArtifact(artifact.id, options),
      );
      if (digestMismatch) throw toDamageError(artifact);
      const [file = ''] = await readdir(folder);
      await rename(join(folder, file), path);
      return path;
    }
    await this.#retry(async () => {
      const answer = await this.#ask(`/actions/artifacts/${artifact.id}/zip`);
      await answer.body?.cancel();
      const address = answer.headers.get('location');
      if (address === null)
        throw new StorageError('GitHub returned no upload location for the artifact', tryLater);
      await fetchTo(address, path, artifact, this.#options);
    });
    return path;
  }

  /**
   * Stores files as an artifact of this run.
   *
   * @param retentionDays the setting of the GitHub repository when undefined
   * @returns the artifact's id; undefined when the run has an artifact of this name already, or is just
   * storing one
   * @throws StorageError when the service fails
   */
  async upload(
    name: string,
    files: readonly string[],
    folder: string,
    retentionDays: number | undefined,
  ): Promise<number | undefined> {
    const client = await openClient();
    const options = { compressionLevel: 0, ...(retentionDays !== undefined && { retentionDays }) };
    return this.#carryOut('stored', async () => {
      try {
        const { id } = await client.uploadArtifact(name, [...files], folder, options);
        if (id === undefined) throw new Error('the service returned no id');
        return id;
      } catch (error) {
        if (/\(409\)/.test(messageOf(error))) return undefined;
        throw error;
      }
    });
  }

  /** Removes an artifact of this run. */
  async discard(name: string): Promise<void> {
    const client = await openClient();
    await this.#carryOut('removed', () => client.deleteArtifact(name));
  }

  async #listByName(name: string): Promise<StoredArtifact[]> {
    const found: StoredArtifact[] = [];
    const trusted = await this.#findDefaultBranch();
    for (let page = 1, previous = Number.POSITIVE_INFINITY, sorted = true; page <= mostPages; page++) {
      const query = new URLSearchParams({ name, per_page: String(pageSize), page: String(page) });
      const answer = await this.#retry(() => this.#ask(`/actions/artifacts?${query}`));
      const parsed = v.safeParse(listSchema, await answer.json());
      if (!parsed.success)
        throw new StorageError('GitHub returned a list of artifacts in an unknown format', tryLater);
      const { artifacts } = parsed.output;
      for (const artifact of artifacts) {
        sorted &&= artifact.id < previous;
        previous = artifact.id;
        if (artifact.name === name && !artifact.expired && isOf(artifact, trusted))
          found.push(toStored(artifact));
      }
      // GitHub lists the newest first without promising it, so the order is checked before the listing ends
      // early.
      if (artifacts.length < pageSize || (sorted && found.length > 0)) break;
    }
    return found;
  }

  #findDefaultBranch(): Promise<string> {
    this.#defaultBranch ??= this.#retry(async () => {
      const answer = await this.#ask('');
      const parsed = v.safeParse(repositorySchema, await answer.json());
      if (!parsed.success)
        throw new StorageError(`GitHub does not tell the default branch of ${this.repository}`, tryLater);
      return parsed.output.default_branch;
    });
    return this.#defaultBranch;
  }

  /** @returns a successful answer, or a redirect */
  async #ask(path: string): Promise<Response> {
    const { env, signal } = this.#options;
    const api = (env.GITHUB_API_URL || 'https://api.github.com').replace(/\/+$/, '');
    const response = await request(new URL(`${api}/repos/${this.repository}${path}`), {
      headers: {
        accept: 'application/vnd.github+json',
        authorization: `Bearer ${this.#token}`,
        'user-agent': 'supabase-backup',
        'x-github-api-version': '2022-11-28',
      },
      // Redirects are not followed: an artifact is on another server, which must not see the token.
      env,
      signal: AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)]),
    });
    if (response.status >= 400) {
      await response.body?.cancel();
      throw toRefusalError(response, this.repository);
    }
    return response;
  }

  #retry<T>(attempt: () => Promise<T>): Promise<T> {
    const { signal, delayMs = 1000 } = this.#options;
    return retry(
      async () => {
        try {
          return await attempt();
        } catch (error) {
          signal.throwIfAborted();
          if (isKnownError(error)) throw error;
          throw new Unanswered(
            `GitHub does not answer about the artifacts of ${this.repository}: ${explainSilence(error)}`,
            (error instanceof NoAnswer && error.next) || tryLater,
            { cause: error },
          );
        }
      },
      {
        ...{ retries: 3, delayMs, factor: 3, signal },
        waitMsAfter: (error) => (error instanceof Unanswered ? 0 : undefined),
      },
    );
  }

  /** Runs an action of GitHub's client, which retries by itself. */
  async #carryOut<T>(what: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (cause) {
      throw new StorageError(
        `an artifact could not be ${what}: ${messageOf(cause)}`,
        'Run this again. If it keeps failing, check whether the storage quota of GitHub Actions is used up (Settings, Billing).',
        { cause },
      );
    }
  }
}

/** Loads GitHub's client, which is larger than the rest of the program and a bundle of its own. */
async function openClient() {
  const { DefaultArtifactClient } = await import('@actions/artifact');
  return new DefaultArtifactClient();
}

/** Tells whether this is GitHub Enterprise Server, where GitHub's own client refuses to work. */
function isEnterpriseServer({ GITHUB_SERVER_URL }: NodeJS.ProcessEnv): boolean {
  if (!GITHUB_SERVER_URL || !URL.canParse(GITHUB_SERVER_URL)) return false;
  return !/^(github\.com|.*\.ghe\.com|.*\.localhost)$/i.test(new URL(GITHUB_SERVER_URL).hostname);
}

/**
 * Tells whether a run of this branch stored an artifact. A fork may have a branch of the same name, so its
 * runs are excluded.
 */
function isOf({ workflow_run: run }: ListedArtifact, branch: string): boolean {
  return (
    typeof run?.repository_id === 'number' &&
    run.repository_id === run.head_repository_id &&
    run.head_branch === branch
  );
}

function toStored({ id, name, size_in_bytes: size, digest }: ListedArtifact): StoredArtifact {
  return { id, name, size, digest: digest ?? undefined, isOfThisRun: false };
}
