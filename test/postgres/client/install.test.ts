import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { machine } from '../../../src/entry/process/machine.ts';
import { installClient } from '../../../src/postgres/client/install.ts';
import type { Context } from '../../../src/runtime/context.ts';
import { findServers } from '../../support/cluster.ts';
import { createContext } from '../../support/context.ts';
import { type FakeResults, startFakeResults } from '../../support/fake-results.ts';

/** The real client of the Actions cache, with a stand-in for its service; apt and sudo are scripts that install links. */

let real: { major: number; binFolder: string };
let folder: string;
let fake: FakeResults;
let printed: string[];
let warnings: string[];
let infos: string[];
let printedErrors: string[];

beforeAll(async () => {
  const [newest] = await findServers();
  if (!newest) throw new Error('no PostgreSQL is installed');
  real = newest;
});

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'install-'));
  for (const name of ['bin', 'temp', 'workspace', 'sources']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'release'), 'an image');
  offer(4);
  writePrograms();
  fake = await startFakeResults();
  printed = [];
  warnings = [];
  infos = [];
  printedErrors = [];
  // The clients of the cache and of processes read what a runner sets from the process itself.
  const runner = {
    ...fake.environment('7'),
    GITHUB_WORKSPACE: join(folder, 'workspace'),
    RUNNER_TEMP: join(folder, 'temp'),
    RUNNER_ENVIRONMENT: 'github-hosted',
    PATH: [join(folder, 'bin'), '/usr/bin', '/bin'].join(delimiter),
  };
  for (const [name, value] of Object.entries(runner)) vi.stubEnv(name, value);
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => printedErrors.push(String(text)) > 0);
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await fake.close();
  rmSync(folder, { recursive: true, force: true });
});

/** What apt does, as far as it can be seen from outside: packages in a folder with a lock beside them, programs in another. */
function writePrograms(): void {
  const write = (name: string, lines: string) =>
    writeFileSync(
      join(folder, 'bin', name),
      `#!/bin/sh\ncd '${folder}'; echo "${name} $*" >>calls; env >>environment\n${lines}`,
      { mode: 0o755 },
    );
  write(
    'apt-get',
    `if [ -e away ]; then echo 'Could not resolve archive.ubuntu.com' >&2; exit 100; fi
     case "$*" in
     *" update "*)
       if [ -e locked ]; then rm locked; echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1' >&2; exit 100; fi
       if [ -e slow ]; then case "$*" in *sourceparts=-*) echo >here; sleep 60 ;; esac; fi
       if [ -e talk ]; then cat talk; cat talk >&2; fi
       case "$*" in *sourceparts=-*) ;; *) if [ -e foreign ]; then echo 'E: 403 of somebody else' >&2; exit 100; fi ;; esac ;;
     *--download-only*)
       if [ -e waits ]; then cat waits; fi
       if [ -e needs-project ]; then [ -e sources/pgdg.sources ] || exit 100; fi
       for word; do case "$word" in Dir::Cache::archives=*) into="\${word#*=}" ;; esac; done
       mkdir -p "$into/partial"; echo >"$into/lock"
       cat release >"$into/postgresql-client-${real.major}_$(cat offered)-1_all.deb"; cat release >"$into/libpq5_1_all.deb" ;;
     *.deb*)
       if [ -e waits ]; then cat waits; fi
       for word; do case "$word" in *.deb) cmp release "$word" || exit 100 ;; esac; done
       mkdir -p programs/${real.major}/bin
       ln -sf '${real.binFolder}/pg_dump' '${real.binFolder}/pg_restore' programs/${real.major}/bin/ ;;
     esac
     exit 0`,
  );
  write('apt-cache', '[ ! -e unknown ] && echo "Version: $(cat offered)-1"');
  write(
    'sudo',
    'if [ -e asks ]; then exit 1; fi; [ "$1" = -n ] || exit 1; shift; case "$1" in --preserve-env=*) shift ;; esac; case "$1" in /*) echo >sources/pgdg.sources; [ ! -e foreign ]; exit ;; esac; exec "$@"',
  );
}

/** The newest minor that apt has */
const offer = (minor: number) => writeFileSync(join(folder, 'offered'), `${real.major}.${minor}`);

function install(
  options: {
    timeoutMs?: number;
    env?: NodeJS.ProcessEnv;
    now?: string;
    major?: number;
    minor?: number;
    root?: string;
    policy?: 'auto' | 'always' | 'never';
  } = {},
) {
  const {
    timeoutMs,
    env = {},
    now = '2026-11-20T02:17:00Z',
    major = real.major,
    minor = 0,
    policy = 'auto',
  } = options;
  const silent = () => {};
  const context: Context = {
    ...createContext({ env: { ...process.env, ...env }, temporaryFolder: folder, now: () => new Date(now) }),
    limitInherited: machine.limitInherited,
    log: {
      ...{ debug: silent, error: silent, progress: silent },
      info: (message) => infos.push(message),
      warn: (message) => warnings.push(String(message)),
      group: (_, body) => body(),
    },
  };
  const { root = '/' } = options;
  const places = { programs: join(folder, 'programs'), sources: join(folder, 'sources'), root };
  const wanted = { major, minor };
  return installClient(wanted, policy, context, timeoutMs === undefined ? places : { ...places, timeoutMs });
}

/** The orders that apt was given since the last look. */
function takeCalls(): string[] {
  const calls = globSync(join(folder, 'calls')).flatMap((file) =>
    readFileSync(file, 'utf8').trim().split('\n'),
  );
  rmSync(join(folder, 'calls'), { force: true });
  return calls;
}

function expectInstalled(bin: string | undefined): void {
  expect(bin, warnings.join('\n')).toBe(join(folder, 'programs', String(real.major), 'bin'));
  const version = execFileSync(join(bin ?? '', 'pg_dump'), ['--version'], { encoding: 'utf8' });
  expect(version).toContain(`(PostgreSQL) ${real.major}`);
}

/** Another job: nothing of the last one is there. */
function startAnew(): void {
  for (const name of ['temp', 'programs']) rmSync(join(folder, name), { recursive: true, force: true });
  mkdirSync(join(folder, 'temp'));
  takeCalls();
}

const asked = () => fake.requests.map(({ what }) => what);
const downloads = (calls: string[]) => calls.filter((call) => call.includes('--download-only'));
const annotations = () => printed.filter((text) => /^::(warning|error)/.test(text));

describe('the packages', () => {
  test('are downloaded when the cache has none, and only they are stored in it', async () => {
    expectInstalled(await install());
    expect(downloads(takeCalls())).toHaveLength(1);
    expect(asked()).toEqual([
      ...['GetCacheEntryDownloadURL', 'CreateCacheEntry', 'PUT blob', 'FinalizeCacheEntryUpload'],
    ]);
    const [entry] = fake.cache;
    expect(entry).toMatchObject({ isFinal: true });
    expect(entry?.key).toMatch(
      new RegExp(`^supabase-backup-postgresql-client-${real.major}-[\\w.]+-[\\w.]+-\\w+-2026-11$`),
    );
    writeFileSync(join(folder, 'entry'), entry?.bytes ?? '');
    const listed = execFileSync('tar', ['-taPf', join(folder, 'entry'), '--use-compress-program=zstd'], {
      encoding: 'utf8',
    });
    // The lock and the folder that apt leaves beside them only root can read, and tar would fail on them.
    expect(listed.trim().split('\n')).toEqual([
      expect.stringMatching(/libpq5_1_all\.deb$/),
      expect.stringMatching(/postgresql-client-\d+_\d+\.4-1_all\.deb$/),
    ]);
    expect([warnings, annotations()]).toEqual([[], []]);
  });

  test('come from the cache in the next job, and nothing is downloaded', async () => {
    await install();
    startAnew();
    fake.requests.length = 0;
    expectInstalled(await install());
    const calls = takeCalls();
    expect(calls).toEqual([
      expect.stringMatching(/^apt-get .* install .*libpq5_1_all\.deb .*\.4-1_all\.deb$/),
    ]);
    expect(asked()).toEqual(['GetCacheEntryDownloadURL', 'GET blob']);
  });

  test('are looked for anew each month, so that no release of the programs stays for good', async () => {
    await install();
    startAnew();
    expectInstalled(await install({ now: '2026-12-01T00:00:00Z' }));
    expect(downloads(takeCalls())).toHaveLength(1);
    expect(fake.cache).toHaveLength(2);
  });

  test('of the cache are not used when they are older than the server, and the newer ones are kept beside them', async () => {
    await install();
    await install({ minor: 4 });
    startAnew();
    offer(6);
    expectInstalled(await install({ minor: 6 }));
    expect(downloads(takeCalls())).toHaveLength(1);
    startAnew();
    expectInstalled(await install({ minor: 6 }));
    expect(downloads(takeCalls())).toHaveLength(0);
    expect(fake.cache.map(({ key }) => key.replace(/^.*-2026/, '2026'))).toEqual([
      ...['2026-11', '2026-11-for-4', '2026-11-for-6'],
    ]);
    expect(warnings).toEqual([]);
  });

  test('that are older than the server are not kept, for newer ones will come', async () => {
    // As root it would run the script of this machine.
    vi.spyOn(process, 'getuid').mockReturnValue(1001);
    await install({ minor: 5 });
    expect(fake.cache).toEqual([]);
  });

  test('that the distribution has only older come from the repository of the PostgreSQL project', async () => {
    vi.spyOn(process, 'getuid').mockReturnValue(1001);
    const script = 'sudo -n /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y';
    await install({ minor: 4 });
    expect(takeCalls()).not.toContain(script);
    await install({ minor: 5 });
    expect(takeCalls()).toContain(script);
  });

  test('of the cache that the system refuses are downloaded again', async () => {
    await install();
    startAnew();
    writeFileSync(join(folder, 'release'), 'a newer image');
    expectInstalled(await install());
    expect(downloads(takeCalls())).toHaveLength(1);
    expect(warnings).toEqual([expect.stringContaining('do not install')]);
  });

  test('that the distribution lacks come from the repository of the PostgreSQL project, as root by sudo', async () => {
    vi.spyOn(process, 'getuid').mockReturnValue(1001);
    writeFileSync(join(folder, 'unknown'), '');
    expectInstalled(await install());
    const calls = takeCalls().filter((call) => !call.startsWith('apt-') && !call.includes(' guard '));
    const source = join(folder, 'sources', 'pgdg.sources');
    const patient = 'sudo -n apt-get -o DPkg::Lock::Timeout=300';
    expect(calls.map((call) => call.replace(/-y -q .*$/, '…'))).toEqual([
      'sudo -n true',
      `${patient} update -qq`,
      `${patient} install …`,
      'sudo -n /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y',
      `${patient} update -qq -o Dir::Etc::sourcelist=${source} -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0`,
      `${patient} install …`,
      `${patient} install …`,
    ]);
    expect(readdirSync(join(folder, 'sources'))).toEqual([]);
  });

  test('come in spite of lists of others that do not answer, from the distribution or the project', async () => {
    vi.spyOn(process, 'getuid').mockReturnValue(1001);
    writeFileSync(join(folder, 'foreign'), '');
    expectInstalled(await install());
    startAnew();
    fake.cache.length = 0;
    for (const name of ['unknown', 'needs-project']) writeFileSync(join(folder, name), '');
    expectInstalled(await install());
    expect(warnings).toEqual([]);
  });

  test('leave no source behind where they cannot be had, nor take away what was there', async () => {
    vi.spyOn(process, 'getuid').mockReturnValue(1001);
    const source = join(folder, 'sources', 'pgdg.sources');
    for (const name of ['unknown', 'needs-project']) writeFileSync(join(folder, name), '');
    rmSync(join(folder, 'release'));
    expect(await install()).toBeUndefined();
    expect(readdirSync(join(folder, 'sources'))).toEqual([]);
    writeFileSync(source, 'of the machine');
    await install();
    expect(readFileSync(source, 'utf8')).toBe('of the machine');
    expect(takeCalls().filter((call) => call.endsWith('.sh -y'))).toHaveLength(1);
  });

  test('leave no source behind when we are killed in between', async () => {
    for (const name of ['unknown', 'needs-project', 'slow']) writeFileSync(join(folder, name), '');
    const program = `
      const { installClient } = await import('${new URL('../../../src/postgres/client/install.ts', import.meta.url).href}');
      process.getuid = () => 1001;
      const log = { debug() {}, info() {}, warn() {}, error() {}, progress() {}, group: (_, body) => body() };
      const context = { env: process.env, log, signal: new AbortController().signal, temporaryFolder: '${folder}', now: () => new Date(), limitInherited: (_, body) => body() };
      await installClient({ major: ${real.major}, minor: 0 }, 'always', context, { sources: '${join(folder, 'sources')}', programs: '${folder}' });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, ACTIONS_CACHE_MODE: 'none' },
      stdio: 'ignore',
    });
    await vi.waitFor(() => expect(existsSync(join(folder, 'here'))).toBe(true), 20_000);
    expect(readdirSync(join(folder, 'sources'))).toEqual(['pgdg.sources']);
    child.kill('SIGKILL');
    await vi.waitFor(() => expect(readdirSync(join(folder, 'sources'))).toEqual([]), 10_000);
  });

  test('are waited for while another apt looks at its lists', async () => {
    writeFileSync(join(folder, 'locked'), '');
    expectInstalled(await install());
    expect(takeCalls().filter((call) => call.includes(' update '))).toHaveLength(2);
    expect(infos.filter((line) => line.includes('waiting for up to 5 minutes'))).toHaveLength(1);
    expect(warnings).toEqual([]);
  });

  test('are waited for, and for whom is said once', async () => {
    const waiting =
      'Waiting for cache lock: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt)...';
    writeFileSync(join(folder, 'waits'), `${waiting}\n`.repeat(20));
    expectInstalled(await install());
    expect(infos.filter((line) => line === waiting)).toHaveLength(2);
  });

  test('of those who are not root come by a sudo that keeps the proxies, which apt knows in small letters', async () => {
    vi.spyOn(process, 'getuid').mockReturnValue(1001);
    expectInstalled(await install({ env: { HTTPS_PROXY: 'http://u:hidden@proxy:1', NO_PROXY: 'a.test' } }));
    const calls = takeCalls();
    const kept = '--preserve-env=https_proxy,no_proxy,HTTPS_PROXY,NO_PROXY';
    expect(calls.filter((call) => call.startsWith(`sudo -n ${kept} apt-get`)).length).toBeGreaterThan(2);
    expect(calls.join('\n')).not.toContain('hidden');
    expect(infos.join('\n')).not.toContain('hidden');
    const environment = readFileSync(join(folder, 'environment'), 'utf8');
    expect(environment).toContain('https_proxy=http://u:hidden@proxy:1\n');
    expect(environment).toContain('no_proxy=a.test\n');
  });

  test('come with words of servers that are no commands of the runner', async () => {
    writeFileSync(join(folder, 'talk'), 'Get:1 x ##[add-mask]different\n::set-output name=parity::equal\n');
    expectInstalled(await install());
    expect(infos.join('\n')).toContain('add-mask');
    expect(printed.join('')).not.toContain('different');
    expect(printedErrors.join('')).not.toMatch(/different|::set-output/);
  });

  test('are packed and unpacked by programs that find none of our secrets', async () => {
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'hidden');
    vi.stubEnv('INPUT_DATABASE-URL', 'hidden');
    for (const name of ['tar', 'zstd']) {
      const real = execFileSync('which', [name], { encoding: 'utf8' }).trim();
      writeFileSync(
        join(folder, 'bin', name),
        `#!/bin/sh\nenv >>'${join(folder, `of-${name}`)}'\nexec ${real} "$@"\n`,
        { mode: 0o755 },
      );
    }
    await install();
    startAnew();
    expectInstalled(await install());
    expect(downloads(takeCalls())).toHaveLength(0);
    for (const name of ['tar', 'zstd']) {
      const seen = readFileSync(join(folder, `of-${name}`), 'utf8');
      expect(seen).toContain('PATH=');
      expect(seen).not.toMatch(/hidden|ACTIONS_RUNTIME_TOKEN/);
    }
    expect(Object.keys(process.env)).toContain('AWS_SECRET_ACCESS_KEY');
  });

  test('that cannot be had are a warning, and nothing is stored', async () => {
    writeFileSync(join(folder, 'away'), '');
    expect(await install()).toBeUndefined();
    expect(warnings).toEqual([
      expect.stringMatching(
        new RegExp(`^The PostgreSQL ${real.major} client programs could not be installed: .*apt-get`),
      ),
    ]);
    expect(fake.cache).toEqual([]);
  });
});

describe('a cache that', () => {
  const denied = (what: string) => ({
    status: 200,
    content: { ok: false, message: `cache ${what} denied: x` },
  });
  const read = 'GetCacheEntryDownloadURL';

  test.each([
    ['refuses to be read', read, { status: 403, message: 'cache read denied: no readable scopes' }],
    ['limits the rate', read, { status: 429 }],
    ['refuses to be written', 'CreateCacheEntry', denied('write')],
    ['loses what was stored', 'FinalizeCacheEntryUpload', { status: 404 }],
    ['cannot store it', 'PUT blob', { status: 403 }],
  ])('%s is a warning, and the install goes on', async (_, what, fault) => {
    fake.fault = (request) => (request.what === what ? fault : undefined);
    expectInstalled(await install());
    expect(asked()).toContain(what);
    expect(downloads(takeCalls())).toHaveLength(1);
    expect(annotations().join('')).toMatch(/^::warning::Failed to (restore|save)/m);
  });

  test('gives half of what it has is one without it', async () => {
    await install();
    startAnew();
    const [entry] = fake.cache;
    if (entry) entry.bytes = entry.bytes.subarray(0, entry.bytes.length / 2);
    expectInstalled(await install());
    expect(downloads(takeCalls())).toHaveLength(1);
    expect(annotations().join('')).toContain('::warning::Failed to restore');
  });

  test('never answers is given up, and what it brings too late is not installed', async () => {
    const late = Promise.withResolvers<void>();
    fake.fault = async () => {
      await late.promise;
      return { status: 403 };
    };
    expectInstalled(await install({ timeoutMs: 300 }));
    expect(warnings).toEqual(['The Actions cache is not used: no answer within 0.3 s']);
    const [order = ''] = downloads(takeCalls());
    expect(order).toContain('-fresh');
    expect(asked()).toEqual([read]);
    late.resolve();
    await vi.waitFor(() => expect(Object.keys(process.env)).toContain('ACTIONS_RUNTIME_TOKEN'));
  });

  test('nobody is at is a warning', async () => {
    await fake.close();
    expectInstalled(await install());
    expect(annotations().join('')).toContain('ECONNREFUSED');
  });

  test.each([
    ['has no address', { ACTIONS_RESULTS_URL: '' }],
    ['is of a GitHub Enterprise Server', { GITHUB_SERVER_URL: 'https://github.example' }],
  ])('%s is not asked', async (_, env) => {
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    expectInstalled(await install());
    expect(asked()).toEqual([]);
    expect([warnings, annotations()]).toEqual([[], []]);
  });

  test('the runner keeps from this job is not asked', async () => {
    vi.stubEnv('ACTIONS_CACHE_MODE', 'none');
    expectInstalled(await install());
    expect(asked()).toEqual([]);
  });
});

test('what apt prints, with what a repository says in it, comes by way of the log and no other', async () => {
  writeFileSync(join(folder, 'foreign'), '');
  expectInstalled(await install());
  expect(infos.join('\n')).toContain('E: 403 of somebody else');
  expect([...printed, ...printedErrors].join('')).not.toContain('403');
});

test('apt and the scripts of packages get nothing of what the process knows', async () => {
  await install({
    env: { 'INPUT_DATABASE-URL': 'postgresql://u:hidden@h/d', AWS_SECRET_ACCESS_KEY: 'hidden' },
  });
  vi.stubEnv('PGPASSWORD', 'hidden');
  await install();
  const environment = readFileSync(join(folder, 'environment'), 'utf8');
  expect(environment).toContain('DEBIAN_FRONTEND=noninteractive');
  for (const name of ['hidden', 'ACTIONS_RUNTIME_TOKEN']) expect(environment).not.toContain(name);
});

test.each([
  ['outside of a runner', { env: { GITHUB_ACTIONS: '' } }],
  ['on a self-hosted runner', { env: { RUNNER_ENVIRONMENT: 'self-hosted' } }],
  ['on a runner of unknown kind', { env: { RUNNER_ENVIRONMENT: undefined } }],
  ['where it is forbidden', { policy: 'never' }],
] as const)('nothing is changed %s', async (_, options) => {
  expect(await install(options)).toBeUndefined();
  expect([takeCalls(), asked(), warnings]).toEqual([[], [], []]);
});

describe('a container', () => {
  /** One of a distribution without apt: what it has is written here, and stands for what is known of the real ones. */
  function makeImage(programs: Record<string, string>): string {
    const bin = join(folder, 'image');
    mkdirSync(bin);
    for (const [name, lines] of Object.entries(programs)) {
      writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} $*" >>'${folder}/calls'\n${lines}`, {
        mode: 0o755,
      });
    }
    vi.stubEnv('PATH', bin);
    return bin;
  }
  const installIn = (bin: string) => install({ env: { PATH: bin } });

  test('whose user is not root, and has no sudo, says so at once and with the cure', async () => {
    vi.spyOn(process, 'getuid').mockReturnValue(1001);
    expect(await installIn(makeImage({ 'apt-get': 'exit 0' }))).toBeUndefined();
    expect(takeCalls()).toEqual([]);
    expect(warnings).toEqual([
      `The PostgreSQL ${real.major} client programs could not be installed: the job runs as user 1001, who is not root, and there is no sudo here: ` +
        'run the job as root (in a container: `options: --user root`), or have the programs in its image',
    ]);
    expect([...printed, ...printedErrors]).toEqual([]);
  });

  test('whose sudo asks for a password is not waited for', async () => {
    vi.spyOn(process, 'getuid').mockReturnValue(1001);
    writeFileSync(join(folder, 'asks'), '');
    expect(await install()).toBeUndefined();
    expect(takeCalls()).toEqual(['sudo -n true']);
    expect(warnings).toEqual([expect.stringContaining('and sudo asks for a password')]);
  });

  test('whose user is root needs no sudo', async () => {
    rmSync(join(folder, 'bin', 'sudo'));
    expectInstalled(await install());
  });

  test.each(['usr/bin', `usr/libexec/postgresql17`])('of Alpine gets them by apk, in %s', async (place) => {
    const programs = join(folder, place);
    const bin = makeImage({
      apk: `/bin/mkdir -p '${programs}'; /bin/ln -s '${real.binFolder}/pg_dump' '${programs}/'`,
    });
    const context = { env: { PATH: bin } };
    const at = await install({ ...context, root: folder, major: 17 });
    expect(at).toBe(programs);
    expect(takeCalls()).toEqual(['apk --wait 300 add --no-cache postgresql17-client']);
    expect(asked()).toEqual([]);
  });

  test('of Alpine that has no such package is told in the words of apk', async () => {
    const bin = makeImage({
      apk: "echo 'ERROR: unable to select packages:'; echo '  postgresql99-client (no such package):'; exit 1",
    });
    expect(await installIn(bin)).toBeUndefined();
    expect(warnings).toEqual([
      expect.stringContaining('apk ended with 1: ERROR: unable to select packages:'),
    ]);
    expect(infos.join('\n')).toContain('(no such package)');
  });

  test('of another distribution says that they have to be there already', async () => {
    expect(await installIn(makeImage({ dnf: 'exit 0' }))).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining('neither apt-get nor apk is here')]);
    expect(takeCalls()).toEqual([]);
  });
});

test('nothing is installed on a system that is no Linux, which is said', async () => {
  const { platform } = process;
  Object.defineProperty(process, 'platform', { value: 'darwin' });
  try {
    expect(await install({ policy: 'always' })).toBeUndefined();
  } finally {
    Object.defineProperty(process, 'platform', { value: platform });
  }
  expect(takeCalls()).toEqual([]);
  expect(warnings).toEqual(['install-client: programs cannot be installed on this system (darwin)']);
});

test('a machine of one’s own is changed when it is asked for', async () => {
  expectInstalled(await install({ env: { RUNNER_ENVIRONMENT: 'self-hosted' }, policy: 'always' }));
});

test('no other part of the tool can reach the cache', () => {
  const src = new URL('../../../src/', import.meta.url).pathname;
  const importers = globSync('**/*.ts', { cwd: src }).filter((file) =>
    readFileSync(join(src, file), 'utf8').includes('@actions/cache'),
  );
  expect(importers).toEqual([join('postgres', 'client', 'install.ts')]);
});
