import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ConfigurationError, IntegrityError, StorageError } from '../../../src/runtime/errors.ts';
import { ArtifactStorage } from '../../../src/storage/artifact/store.ts';
import { openStorage } from '../../../src/storage/open.ts';
import { describeStorage, keysOf } from '../../storage.contract.ts';
import { createContext, presentContext } from '../../support/context.ts';
import { type FakeResults, startFakeResults } from '../../support/fake-results.ts';

/* The real @actions/artifact client, against a stand-in of what it talks to. */

let fake: FakeResults;
let folder: string;
let warnings: string[];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'storage-artifact-'));
  fake = await startFakeResults();
});
afterAll(async () => {
  await fake.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  fake.artifacts.length = 0;
  fake.requests.length = 0;
  fake.fault = () => undefined;
  fake.pageSize = 100;
  warnings = [];
  // The client tells what it does.
  vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  expect(readdirSync(folder)).toEqual([]);
});

interface Run {
  env?: NodeJS.ProcessEnv;
  token?: string | undefined;
  name?: string;
  retentionDays?: number;
  signal?: AbortSignal;
}

function openIn(runId: string, options: Run = {}): ArtifactStorage {
  const env = { ...fake.environment(runId), ...options.env };
  // The client reads the environment of the process.
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const ignore = () => undefined;
  return new ArtifactStorage({
    name: options.name ?? 'db',
    token: 'token' in options ? options.token : fake.token,
    retentionDays: options.retentionDays,
    delayMs: 5,
    context: {
      ...presentContext,
      env,
      signal: options.signal ?? new AbortController().signal,
      temporaryFolder: folder,
      log: {
        debug: ignore,
        info: ignore,
        error: ignore,
        progress: ignore,
        group: (_title, body) => body(),
        warn: (message) => warnings.push(String(message)),
      },
    },
  });
}

/** Closes a storage as the run that it was opened in. */
async function closeIn(runId: string, storage: ArtifactStorage): Promise<void> {
  for (const [name, value] of Object.entries(fake.environment(runId))) vi.stubEnv(name, value);
  await storage.close();
}

const value = (text: string): Buffer => Buffer.from(text);
const names = (): string[] => fake.artifacts.map(({ name }) => name);

async function store(runId: string, values: Readonly<Record<string, string>>): Promise<void> {
  const storage = openIn(runId);
  for (const [key, text] of Object.entries(values)) await storage.put(key, value(text));
  await storage.close();
}

async function readAll(runId = '99'): Promise<Record<string, string>> {
  const storage = openIn(runId);
  const found: Record<string, string> = {};
  for (const key of await keysOf(storage, '')) found[key] = (await storage.get(key)).toString();
  await storage.close();
  return found;
}

describe('contract', () => {
  let runs = 0;
  describeStorage('artifact', async () => openIn(String(++runs)));
});

describe('what one run stores', () => {
  test('is read by another, with the times of change to two seconds', async () => {
    const first = openIn('1');
    await first.put('objects/ab/value', value('content'));
    await first.put('empty', value(''));
    const stored = await first.stat('objects/ab/value');
    await first.close();
    const second = openIn('2');
    expect(await keysOf(second, '')).toEqual(['empty', 'objects/ab/value']);
    expect((await second.get('objects/ab/value')).toString()).toBe('content');
    const read = await second.stat('objects/ab/value');
    const late = Number(stored?.modifiedAt) - Number(read?.modifiedAt);
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThan(2000);
    await second.close();
    expect(names()).toEqual(['db']);
  });

  test('is a zip file that people can unpack, and that is not compressed again', async () => {
    await store('1', { 'objects/ab/value': 'x'.repeat(10_000), 'repository.json': '{}' });
    const path = join(folder, 'by-hand.zip');
    writeFileSync(path, fake.artifacts[0]?.bytes ?? '');
    const listing = spawnSync('python3', ['-m', 'zipfile', '-l', path], { encoding: 'utf8' });
    rmSync(path);
    expect(listing.stdout).toMatch(/^objects\/ab\/value .* 10000$/m);
    expect(listing.stdout).toMatch(/^repository\.json .* 2$/m);
    expect(fake.artifacts[0]?.bytes.length).toBeGreaterThan(10_000);
  });

  test('is stored only when something was changed: neither a look, nor a probe, nor a lock that was given back', async () => {
    const storage = openIn('1');
    await storage.probe();
    await storage.put('locks/one.json', value('lock'));
    await storage.put('gone', value('gone'));
    await storage.delete(['locks/one.json', 'gone']);
    await storage.close();
    await store('2', { 'locks/left.json': 'lock' });
    expect(fake.artifacts).toEqual([]);
    await store('3', { 'locks/left.json': 'lock', kept: 'kept' });
    expect(await readAll()).toEqual({ kept: 'kept' });
    expect(names()).toEqual(['db']);
  });

  test('is kept for the days that were asked for, or as the repository is set', async () => {
    await store('1', { a: 'a' });
    const storage = openIn('2', { retentionDays: 7 });
    await storage.put('b', value('b'));
    await storage.close();
    const [unset, week] = fake.artifacts.map(({ expiresAt }) => expiresAt);
    expect(unset).toBeUndefined();
    expect(Math.round((Number(week) - Date.now()) / 86_400_000)).toBe(7);
  });

  test('grows and shrinks from run to run', async () => {
    await store('1', { a: '1', b: '1' });
    const storage = openIn('2');
    await storage.delete(['a']);
    await storage.put('c', value('2'));
    await storage.close();
    expect(await readAll()).toEqual({ b: '1', c: '2' });
  });

  test('is nothing when the run was stopped', async () => {
    const controller = new AbortController();
    const storage = openIn('1', { signal: controller.signal });
    await storage.put('a', value('a'));
    controller.abort(new Error('stopped'));
    await storage.close();
    expect(fake.artifacts).toEqual([]);
  });
});

test('a storage that was closed is not opened again without a word', async () => {
  await store('1', { a: 'a' });
  const storage = openIn('2');
  expect((await storage.get('a')).toString()).toBe('a');
  await storage.close();
  await storage.close();
  await expect(storage.put('b', value('b'))).rejects.toThrow('artifact://db is used after it was closed');
  expect(names()).toEqual(['db']);
});

describe('several steps of one run', () => {
  test('take turns between two names, so that what is stored is never without a copy', async () => {
    const seen: string[][] = [];
    for (const step of ['1', '2', '3', '4']) {
      await store('1', { [step]: step });
      seen.push(names());
    }
    expect(seen).toEqual([['db'], ['db~2'], ['db'], ['db~2']]);
    const calls = fake.requests.map(({ what }) => what);
    expect(calls.indexOf('DeleteArtifact')).toBeGreaterThan(
      calls.lastIndexOf('FinalizeArtifact', calls.indexOf('DeleteArtifact')),
    );
    expect(await readAll()).toEqual({ 1: '1', 2: '2', 3: '3', 4: '4' });
  });

  test('find what the one before stored, also while the list of the repository does not have it', async () => {
    await store('1', { a: 'a' });
    for (const artifact of fake.artifacts) artifact.isNew = true;
    await store('1', { b: 'b' });
    expect(await readAll('1')).toEqual({ a: 'a', b: 'b' });
    expect(fake.requests.map(({ what }) => what)).toContain('GetSignedArtifactURL');
  });
});

describe('two runs at once', () => {
  test('are merged: what one has stored is in the artifact of the other', async () => {
    await store('1', { 'repository.json': 'same', old: 'old', replaced: 'old' });
    const slow = openIn('2');
    await slow.put('slow', value('slow'));
    await slow.put('both', value('slow'));
    await slow.delete(['old']);
    await store('3', { quick: 'quick', both: 'quick', replaced: 'new' });
    await closeIn('2', slow);
    // What the slow run removed the quick one may need.
    expect(await readAll()).toEqual({
      'repository.json': 'same',
      old: 'old',
      replaced: 'new',
      slow: 'slow',
      both: 'slow',
      quick: 'quick',
    });
    expect(warnings.join()).toContain('another run stored artifact://db meanwhile');
  });

  test('are merged also when one stores while the other uploads', async () => {
    await store('1', { old: 'old' });
    const slow = openIn('2');
    await slow.put('slow', value('slow'));
    let interfered = false;
    fake.fault = async ({ what, url }) => {
      if (interfered || what !== 'FinalizeArtifact' || url === undefined) return undefined;
      interfered = true;
      // As if another run had got the number before this one.
      const base = fake.artifacts[0];
      const ours = fake.artifacts.find(({ runId }) => runId === '2');
      if (base === undefined || ours === undefined) throw new Error('nothing is stored');
      const other = makeArtifact({ old: 'old', quick: 'quick' });
      Object.assign(ours, { id: ours.id + 1 });
      fake.artifacts.push({ ...base, ...other, id: ours.id - 1, runId: '3' });
      return undefined;
    };
    await closeIn('2', slow);
    expect(interfered).toBe(true);
    expect(await readAll()).toEqual({ old: 'old', quick: 'quick', slow: 'slow' });
  });

  test('that each made a repository cannot be merged: the second fails, and nothing of it is stored', async () => {
    const slow = openIn('2');
    await slow.put('repository.json', value('one'));
    await store('3', { 'repository.json': 'other' });
    await expect(closeIn('2', slow)).rejects.toThrow(
      /another run made a repository at artifact:\/\/db at the same time/,
    );
    expect(await readAll()).toEqual({ 'repository.json': 'other' });
  });

  test('two jobs of one run use both names', async () => {
    const slow = openIn('1');
    await slow.put('slow', value('slow'));
    await store('1', { quick: 'quick' });
    await slow.close();
    expect(names()).toEqual(['db~2']);
    expect(await readAll()).toEqual({ slow: 'slow', quick: 'quick' });
  });

  test('a name that a killed job of the run left unfinished is passed over', async () => {
    await store('1', { a: 'a' });
    for (const artifact of fake.artifacts) artifact.isFinal = false;
    await store('1', { b: 'b' });
    expect(names()).toEqual(['db', 'db~2']);
    expect(await readAll()).toEqual({ b: 'b' });
  });
});

describe('what is found', () => {
  test('is the newest of the name that has not expired', async () => {
    await store('1', { a: '1' });
    await store('2', { a: '2' });
    await store('3', { a: '3' });
    (fake.artifacts[2] ?? { expired: false }).expired = true;
    expect(await readAll()).toEqual({ a: '2' });
  });

  test('is nothing of a fork, however new, nor of a run that is not known', async () => {
    await store('1', { a: 'own' });
    await store('2', { a: 'of a fork' });
    Object.assign(fake.artifacts[1] ?? {}, { headRepositoryId: 666 });
    expect(await readAll()).toEqual({ a: 'own' });
    // More of them than a page holds.
    const [own, forked] = fake.artifacts;
    if (own === undefined || forked === undefined) throw new Error('nothing is stored');
    for (let more = 1; more <= 250; more++) fake.artifacts.push({ ...forked, id: forked.id + more });
    expect(await readAll()).toEqual({ a: 'own' });
  });

  test('is nothing of another branch, however new: whoever may push one chooses what its jobs store', async () => {
    await store('1', { a: 'of the default branch' });
    await store('2', { a: 'of another branch' });
    for (const headBranch of ['feature', 'refs/heads/main', 'Main', '', null, undefined]) {
      Object.assign(fake.artifacts[1] ?? {}, { headBranch });
      expect(await readAll()).toEqual({ a: 'of the default branch' });
    }
    // By none of its names, and not by one who merges with it either.
    const storage = openIn('3');
    await storage.put('b', value('b'));
    await closeIn('3', storage);
    expect(await readAll()).toEqual({ a: 'of the default branch', b: 'b' });
    expect(warnings).toEqual([]);
  });

  test.each(['refs/heads/feature', 'refs/tags/main', 'refs/pull/7/merge', ''])(
    'is read by a run of %j, which writes nothing, as no other run would look for it',
    async (ref) => {
      await store('1', { a: 'a' });
      const storage = openIn('2', { env: { GITHUB_REF: ref } });
      expect((await storage.get('a')).toString()).toBe('a');
      await expect(storage.probe()).rejects.toThrow(ConfigurationError);
      await expect(storage.put('b', value('b'))).rejects.toThrow(StorageError);
      await expect(storage.delete(['a'])).rejects.toThrow(
        /only runs of main, the default branch, are believed/,
      );
      await storage.close();
      expect(fake.artifacts).toHaveLength(1);
    },
  );

  test('is no lock, whoever put one there', async () => {
    await store('1', { a: 'a' });
    Object.assign(fake.artifacts[0] ?? {}, makeArtifact({ a: 'a', 'locks/0123456789abcdef.json': '{}' }));
    expect(await readAll()).toEqual({ a: 'a' });
  });

  test('is nothing where GitHub does not tell the default branch', async () => {
    await store('1', { a: 'a' });
    fake.fault = ({ what }) => (what === 'repository' ? { status: 200, content: {} } : undefined);
    await expect(readAll()).rejects.toThrow(/does not tell the default branch/);
  });

  test('is nothing of another name', async () => {
    await store('1', { a: 'a' });
    const storage = openIn('2', { name: 'db2' });
    expect(await keysOf(storage, '')).toEqual([]);
    await storage.close();
  });
});

describe('an artifact', () => {
  test('that was cut, changed or packed anew by others is refused, or read when it is whole', async () => {
    await store('1', { a: 'a'.repeat(1000) });
    const [artifact] = fake.artifacts;
    if (artifact === undefined) throw new Error('nothing is stored');
    const { bytes, digest } = artifact;
    const changed = Buffer.from(bytes);
    changed[100] = 0;
    for (const [content, itsDigest, says, Kind] of [
      [changed, digest, 'its size or its digest differs', StorageError],
      [changed, null, 'the checksum of a is another', IntegrityError],
      [bytes.subarray(0, bytes.length - 30), null, 'the artifact is damaged', IntegrityError],
      [Buffer.from('no zip file at all'), null, 'it is no zip file', IntegrityError],
    ] as const) {
      Object.assign(artifact, { bytes: content, digest: itsDigest });
      await expect(readAll()).rejects.toThrow(says);
      await expect(readAll()).rejects.toThrow(Kind);
    }
    Object.assign(artifact, makeArtifact({ a: 'a'.repeat(1000), 'objects/x': 'x' }, 'deflated'));
    expect(artifact.bytes.length).toBeLessThan(1000);
    expect(await readAll()).toEqual({ a: 'a'.repeat(1000), 'objects/x': 'x' });
  });

  test.each(['../outside', '/etc/passwd', 'b/../../outside', 'tmp/a', 'with space'])(
    'that holds %j is refused, and nothing is written',
    async (name) => {
      await store('1', { a: 'a' });
      Object.assign(fake.artifacts[0] ?? {}, makeArtifact({ a: 'a', [name]: 'evil' }));
      await expect(readAll()).rejects.toThrow(/holds ".*", which no repository does/);
    },
  );

  test('that says to be smaller than it is does not fill the disk', async () => {
    await store('1', { a: 'a' });
    const [artifact] = fake.artifacts;
    const { bytes } = makeArtifact({ a: 'a'.repeat(100_000) }, 'deflated');
    const directory = bytes.lastIndexOf('PK\x01\x02', undefined, 'latin1');
    bytes.writeUInt32LE(10, directory + 24);
    Object.assign(artifact ?? {}, { bytes, digest: null });
    await expect(readAll()).rejects.toThrow('a cannot be unpacked');
  });
});

describe('GitHub', () => {
  test('gets the token, and the place of the artifact does not', async () => {
    await store('1', { a: 'a' });
    await readAll();
    const blobs = fake.requests.filter(({ what }) => what === 'GET blob');
    expect(blobs.map(({ authorization }) => authorization)).toEqual([undefined]);
  });

  test('is asked again when it does not answer', async () => {
    await store('1', { a: 'a' });
    for (const what of ['list', 'zip', 'GET blob']) {
      let faults = 0;
      fake.fault = (request) => (request.what === what && faults++ < 2 ? { status: 503 } : undefined);
      expect(await readAll()).toEqual({ a: 'a' });
      expect(faults).toBeGreaterThan(2);
    }
    fake.fault = ({ what }) => (what === 'list' ? { status: 500 } : undefined);
    await expect(readAll()).rejects.toThrow('GitHub answered 500 about the artifacts of acme/shop');
  });

  test.each([
    [401, 'Use a valid token'],
    [403, 'Grant `actions: read`'],
    [404, 'Grant `actions: read`'],
  ])('that answers %i is a mistake in the configuration', async (status, next) => {
    fake.fault = ({ what }) => (what === 'list' ? { status } : undefined);
    const error = await readAll().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as ConfigurationError).next).toContain(next);
    expect(fake.requests.filter(({ what }) => what === 'list')).toHaveLength(1);
  });

  test.each(['CreateArtifact', 'PUT block', 'PUT blocklist', 'FinalizeArtifact'])(
    'that refuses %s fails the close, and what was there stays',
    async (what) => {
      await store('1', { a: 'a' });
      fake.fault = (request) => (request.what === what ? { status: 403, message: 'quota' } : undefined);
      await expect(store('2', { b: 'b' })).rejects.toThrow(/an artifact could not be stored/);
      fake.fault = () => undefined;
      expect(await readAll()).toEqual({ a: 'a' });
    },
  );
});

describe('outside of a runner', () => {
  const laptop = { ACTIONS_RUNTIME_TOKEN: '', ACTIONS_RESULTS_URL: '' };

  test('an artifact can be read, and not be written', async () => {
    await store('1', { a: 'a' });
    const storage = openIn('2', { env: laptop });
    expect((await storage.get('a')).toString()).toBe('a');
    await expect(storage.probe()).rejects.toThrow(ConfigurationError);
    for (const call of [
      () => storage.put('b', value('b')),
      () => storage.create('b', value('b')),
      () => storage.delete(['a']),
    ]) {
      // A restore goes on when it cannot be recorded, which it knows by the class.
      await expect(call()).rejects.toThrow(StorageError);
      await expect(call()).rejects.toThrow('only the action, in a GitHub Actions run, can write');
    }
    await storage.close();
  });

  test('the repository and the token have to be given', () => {
    expect(() => openIn('1', { env: { GITHUB_REPOSITORY: '' } })).toThrow(/GITHUB_REPOSITORY does not name/);
    const server = { GITHUB_SERVER_URL: 'https://github.example.com' };
    expect(() => openIn('1', { env: server })).toThrow(
      /GitHub Enterprise Server does not support the artifacts/,
    );
    for (const url of ['https://github.com', 'https://acme.ghe.com', '']) {
      expect(() => openIn('1', { env: { GITHUB_SERVER_URL: url } })).not.toThrow();
    }
    expect(() => openIn('1', { token: undefined })).toThrow(
      /^github-token: an artifact:\/\/ storage needs it/,
    );
  });
});

describe('a location', () => {
  const context = createContext({ env: { GITHUB_REPOSITORY: 'acme/shop' }, temporaryFolder: tmpdir() });
  const options = { githubToken: 'token' };

  test.each(['artifact://db', 'artifact://Nightly backups (eu)', 'artifact://größe@1'])(
    '%s is an artifact',
    async (location) => {
      const storage = await openStorage(location, options, context);
      expect(storage).toBeInstanceOf(ArtifactStorage);
      expect(storage.location).toBe(location);
    },
  );

  test.each([
    'artifact://',
    'artifact:',
    'artifact://a/b',
    'artifact://a*',
    'artifact://a\nb',
    'artifact://db~2',
  ])('%j is refused', async (location) => {
    await expect(openStorage(location, options, context)).rejects.toThrow('has an invalid artifact name');
  });
});

/** A zip file by another program. */
function makeArtifact(values: Readonly<Record<string, string>>, how: 'stored' | 'deflated' = 'stored') {
  const path = join(folder, 'made.zip');
  const script = `import sys, json, zipfile
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_${how.toUpperCase()}) as z:
    for name, text in json.load(sys.stdin).items(): z.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_${how.toUpperCase()})`;
  execFileSync('python3', ['-c', script, path], { input: JSON.stringify(values) });
  const bytes = readFileSync(path);
  rmSync(path);
  return { bytes, digest: null };
}
