import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A request, by what it asks for. */
export interface ResultsRequest {
  /** The call of the results service, `PUT block`, `PUT blocklist`, `PUT blob` or `GET blob` of the blob store, `list`, `zip` or `repository` of the REST API */
  readonly what: string;
  readonly url: URL;
  readonly authorization: string | undefined;
  /** Of a call of the results service */
  readonly content: Readonly<Record<string, unknown>>;
}

export interface FakeArtifact {
  readonly id: number;
  readonly runId: string;
  readonly name: string;
  bytes: Buffer;
  digest: string | null;
  isFinal: boolean;
  expired: boolean;
  /** As the client asked for it; undefined: as the repository is set */
  readonly expiresAt: Date | undefined;
  /** Another than the repository's own when the run is of a fork's pull request */
  headRepositoryId: number;
  /** Of its run */
  headBranch: string;
  /** Not in the repository's list yet, only in the run's */
  isNew: boolean;
}

/** An entry of the Actions cache. */
export interface FakeCacheEntry {
  readonly id: number;
  readonly key: string;
  /** What the client makes of the paths and of the compression */
  readonly version: string;
  bytes: Buffer;
  isFinal: boolean;
}

export interface FakeResults {
  readonly repository: string;
  /** Of the REST API */
  readonly token: string;
  /** What is stored; a test may look at it and change it. */
  readonly artifacts: FakeArtifact[];
  readonly cache: FakeCacheEntry[];
  readonly requests: ResultsRequest[];
  /** Asked before every request; an answer is given instead of serving it. A promise holds the request up. */
  fault: (request: ResultsRequest) => Fault | undefined | Promise<Fault | undefined>;
  pageSize: number;
  /** Where it says that it is; a test may put something before it. */
  origin: string;
  /** What a runner gives to a step of a run. */
  environment(runId: string): Record<string, string>;
  close(): Promise<void>;
}

export interface Fault {
  readonly status: number;
  readonly message?: string;
  /** The whole answer, where it is more than a message */
  readonly content?: object;
}

const repositoryId = 4711;

/** What is asked of the cache; nobody but the install of client programs may ask. */
export const cacheCalls = ['CreateCacheEntry', 'FinalizeCacheEntryUpload', 'GetCacheEntryDownloadURL'];

/**
 * The services behind artifacts and the cache, inside this process: the results service and the blob store as the real @actions/artifact and
 * @actions/cache clients use them, and what the REST API tells of artifacts.
 */
export async function startFakeResults(): Promise<FakeResults> {
  const artifacts: FakeArtifact[] = [];
  const cache: FakeCacheEntry[] = [];
  const blocks = new Map<string, Buffer>();
  const server = createServer((message, response) => {
    serve(message, response).catch((error) => response.destroy(error));
  });

  async function serve(message: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const url = new URL(message.url ?? '/', fake.origin);
    const body = await buffer(message);
    const what = nameRequest(message.method ?? '', url);
    const content = url.pathname.startsWith('/twirp/') ? JSON.parse(body.toString()) : {};
    const request = { what, url, content, authorization: message.headers.authorization };
    fake.requests.push(request);
    const fault = await fake.fault(request);
    if (fault) return answer(response, fault.status, fault.content ?? { msg: fault.message ?? 'a fault' });
    if (cacheCalls.includes(what)) return callCache(request, response);
    if (url.pathname.startsWith('/twirp/')) return call(request, response);
    if (url.pathname.startsWith('/store/cache-')) return serveCache(request, body, response);
    if (url.pathname.startsWith('/store/')) return serveBlob(request, body, response);
    if (request.authorization !== `Bearer ${fake.token}`) return answer(response, 401, {});
    if (what === 'list') return list(url, response);
    if (what === 'repository') return answer(response, 200, { id: repositoryId, default_branch: 'main' });
    const artifact = artifacts.find(({ id }) => id === Number(url.pathname.split('/').at(-2)));
    if (!artifact) return answer(response, 404, {});
    if (artifact.expired) return answer(response, 410, {});
    return response.writeHead(302, { location: addressOf(artifact) }).end();
  }

  function call({ what, content, authorization }: ResultsRequest, response: ServerResponse): ServerResponse {
    const runId = content.workflow_run_backend_id;
    if (authorization !== `Bearer ${tokenOf(String(runId))}`)
      return answer(response, 401, { msg: 'bad token' });
    const ofRun = artifacts.filter((each) => each.runId === runId);
    const named = ofRun.find(({ name }) => name === content.name);
    switch (what) {
      case 'CreateArtifact': {
        const msg = 'Conflict: an artifact with this name already exists on the workflow run';
        if (named) return answer(response, 409, { code: 'already_exists', msg });
        const artifact = create(String(runId), content);
        return answer(response, 200, { ok: true, signed_upload_url: addressOf(artifact) });
      }
      case 'FinalizeArtifact': {
        if (!named || Number(content.size) !== named.bytes.length)
          return answer(response, 400, { msg: 'size' });
        if (content.hash !== named.digest) return answer(response, 400, { msg: 'hash' });
        named.isFinal = true;
        return answer(response, 200, { ok: true, artifact_id: String(named.id) });
      }
      case 'ListArtifacts': {
        const found = ofRun
          .filter(({ isFinal }) => isFinal)
          .filter(({ name }) => content.name_filter === undefined || content.name_filter === name)
          .filter(({ id }) => content.id_filter === undefined || Number(content.id_filter) === id);
        return answer(response, 200, { artifacts: found.map(renderInternal) });
      }
      case 'GetSignedArtifactURL':
        if (!named) return answer(response, 404, { msg: 'not found' });
        return answer(response, 200, { signed_url: addressOf(named) });
      case 'DeleteArtifact':
        if (!named) return answer(response, 404, { msg: 'not found' });
        artifacts.splice(artifacts.indexOf(named), 1);
        return answer(response, 200, { ok: true, artifact_id: String(named.id) });
      default:
        return answer(response, 404, { msg: `no such call: ${what}` });
    }
  }

  /** Entries never change, and one that was begun is found by nobody before its end. */
  function callCache(
    { what, content, authorization }: ResultsRequest,
    response: ServerResponse,
  ): ServerResponse {
    if (!/^Bearer [\w-]+\.[\w-]+\.signature$/.test(authorization ?? ''))
      return answer(response, 401, { msg: 'bad token' });
    const { key, version } = content;
    const found = cache.find((each) => each.key === key && each.version === version);
    switch (what) {
      case 'CreateCacheEntry': {
        const msg = 'cache entry with the same key, version, and scope already exists';
        if (found) return answer(response, 409, { code: 'already_exists', msg });
        const id = cache.length + 1;
        cache.push({
          id,
          key: String(key),
          version: String(version),
          bytes: Buffer.alloc(0),
          isFinal: false,
        });
        return answer(response, 200, { ok: true, signed_upload_url: addressOfEntry(id) });
      }
      case 'FinalizeCacheEntryUpload':
        if (!found || Number(content.size_bytes) !== found.bytes.length)
          return answer(response, 400, { msg: 'size' });
        found.isFinal = true;
        return answer(response, 200, { ok: true, entry_id: String(found.id) });
      default:
        if (!found?.isFinal) return answer(response, 200, { ok: false });
        return answer(response, 200, {
          ...{ ok: true, matched_key: found.key, signed_download_url: addressOfEntry(found.id) },
        });
    }
  }

  function serveCache({ what, url }: ResultsRequest, body: Buffer, response: ServerResponse): ServerResponse {
    const entry = cache.find(({ id }) => id === Number(/(\d+)$/.exec(url.pathname)?.[1]));
    if (!entry || url.searchParams.get('sig') !== signature) return answer(response, 403, {});
    if (what === 'GET blob')
      return response.writeHead(200, { 'content-length': entry.bytes.length }).end(entry.bytes);
    if (what !== 'PUT blob') return answer(response, 400, { msg: `not served for the cache: ${what}` });
    entry.bytes = body;
    return response.writeHead(201, { 'x-ms-request-id': 'fake', 'x-ms-version': '2025-01-05' }).end();
  }

  function create(runId: string, { name, expires_at: expiresAt }: ResultsRequest['content']): FakeArtifact {
    const artifact: FakeArtifact = {
      id: Math.max(1000, ...artifacts.map(({ id }) => id), lastId) + 1,
      runId,
      name: String(name),
      bytes: Buffer.alloc(0),
      digest: null,
      isFinal: false,
      expired: false,
      expiresAt: expiresAt === undefined ? undefined : new Date(String(expiresAt)),
      headRepositoryId: repositoryId,
      headBranch: 'main',
      isNew: false,
    };
    lastId = artifact.id;
    artifacts.push(artifact);
    return artifact;
  }
  let lastId = 0;

  function serveBlob({ what, url }: ResultsRequest, body: Buffer, response: ServerResponse): ServerResponse {
    const artifact = artifacts.find(({ id }) => id === Number(/(\d+)$/.exec(url.pathname)?.[1]));
    if (!artifact || url.searchParams.get('sig') !== signature) return answer(response, 403, {});
    if (what === 'GET blob') {
      const headers = { 'content-type': 'application/zip', 'content-length': artifact.bytes.length };
      return response.writeHead(200, headers).end(artifact.bytes);
    }
    if (what === 'PUT block') blocks.set(`${artifact.id} ${url.searchParams.get('blockid')}`, body);
    if (what === 'PUT blocklist') {
      const ids = [...body.toString().matchAll(/<Latest>([^<]+)<\/Latest>/g)].map(
        ([, id]) => `${artifact.id} ${id}`,
      );
      artifact.bytes = Buffer.concat(ids.map((id) => blocks.get(id) ?? Buffer.alloc(0)));
      artifact.digest = `sha256:${createHash('sha256').update(artifact.bytes).digest('hex')}`;
    }
    return response.writeHead(201, { 'x-ms-request-id': 'fake', 'x-ms-version': '2025-01-05' }).end();
  }

  function list(url: URL, response: ServerResponse): void {
    const found = artifacts
      .filter(({ name, isFinal, isNew }) => isFinal && !isNew && name === url.searchParams.get('name'))
      .sort((one, other) => other.id - one.id);
    const size = Math.min(fake.pageSize, Number(url.searchParams.get('per_page') ?? 30));
    const from = (Number(url.searchParams.get('page') ?? 1) - 1) * size;
    answer(response, 200, {
      total_count: found.length,
      artifacts: found.slice(from, from + size).map(renderPublic),
    });
  }

  const addressOf = ({ id }: FakeArtifact): string => `${fake.origin}/store/artifact-${id}?sig=${signature}`;
  const addressOfEntry = (id: number): string => `${fake.origin}/store/cache-${id}?sig=${signature}`;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const fake: FakeResults = {
    repository: 'acme/shop',
    token: 'ghs_0123456789abcdefARTIFACTS',
    artifacts,
    cache,
    requests: [],
    fault: () => undefined,
    pageSize: 100,
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    environment: (runId) => ({
      GITHUB_ACTIONS: 'true',
      GITHUB_REPOSITORY: fake.repository,
      GITHUB_RUN_ID: runId,
      GITHUB_REF: 'refs/heads/main',
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_API_URL: `${fake.origin}/api/v3`,
      ACTIONS_CACHE_SERVICE_V2: 'True',
      ACTIONS_RESULTS_URL: `${fake.origin}/`,
      ACTIONS_RUNTIME_TOKEN: tokenOf(runId),
    }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}

/** The client masks it in the log: a short one would star much else. */
const signature = randomBytes(24).toString('hex');

/** The client reads the run and the job out of it; nobody checks its signature. */
function tokenOf(runId: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const scp = `Actions.Example Actions.Results:${runId}:job-1`;
  return `${part({ alg: 'none' })}.${part({ scp })}.signature`;
}

function nameRequest(method: string, url: URL): string {
  if (url.pathname.startsWith('/twirp/')) return url.pathname.split('/').at(-1) ?? '';
  if (url.pathname.startsWith('/store/')) return `${method} ${url.searchParams.get('comp') ?? 'blob'}`;
  if (/\/repos\/[^/]+\/[^/]+$/.test(url.pathname)) return 'repository';
  return url.pathname.endsWith('/zip') ? 'zip' : 'list';
}

function renderInternal({ id, runId, name, bytes, digest }: FakeArtifact): object {
  return {
    workflow_run_backend_id: runId,
    workflow_job_run_backend_id: 'job-1',
    database_id: String(id),
    name,
    size: String(bytes.length),
    created_at: new Date().toISOString(),
    digest,
  };
}

function renderPublic({
  id,
  runId,
  name,
  bytes,
  digest,
  expired,
  headRepositoryId,
  headBranch,
}: FakeArtifact): object {
  return {
    id,
    name,
    size_in_bytes: bytes.length,
    expired,
    digest,
    workflow_run: {
      id: Number(runId),
      repository_id: repositoryId,
      head_repository_id: headRepositoryId,
      head_branch: headBranch,
    },
  };
}

function answer(response: ServerResponse, status: number, content: unknown): ServerResponse {
  response.writeHead(status, { 'content-type': 'application/json' });
  return response.end(JSON.stringify(content));
}
