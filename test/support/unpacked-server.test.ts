import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { findServers, startCluster } from './cluster.ts';
import { unpackServer } from './unpacked-server.ts';

const path = process.env.PATH;
let folder: string;
afterEach(() => {
  process.env.PATH = path;
  rmSync(folder, { recursive: true, force: true });
});

/** Where Debian and Ubuntu put the programs of each major */
const debian = '/usr/lib/postgresql';

test('a server runs from where its packages were unpacked, with the libraries and files that came with it', async ({
  skip,
}) => {
  const server = (await findServers()).find(({ binFolder }) => binFolder.startsWith(debian));
  if (server === undefined || spawnSync('dpkg-deb', ['--version']).status !== 0)
    return skip('no PostgreSQL of a Debian package');
  const { major, binFolder } = server;
  folder = mkdtempSync(join(tmpdir(), "it's unpacked "));
  // As a package of Debian's; its libraries are in packages of their own.
  const content = join(folder, 'content');
  for (const place of [dirname(binFolder), `/usr/share/postgresql/${major}`])
    cpSync(place, join(content, place), { recursive: true, verbatimSymlinks: true });
  const library = findLibrary(join(binFolder, 'postgres'));
  const place = join(content, 'usr/lib', basename(dirname(library)));
  mkdirSync(place);
  cpSync(realpathSync(library), join(place, basename(library)));
  const file = pack(content, `postgresql-${major}`);
  // It would not run with the loader of the system.
  const never = join(folder, 'never');
  mkdirSync(join(never, 'usr/lib/x86_64-linux-gnu'), { recursive: true });
  writeFileSync(join(never, 'usr/lib/x86_64-linux-gnu/libc.so.6'), '');

  const work = join(folder, 'work');
  const final = join(folder, 'final');
  unpackServer([file, pack(never, 'libc6')], work, final);
  cpSync(work, final, { recursive: true, verbatimSymlinks: true });
  rmSync(work, { recursive: true });
  execFileSync('chmod', ['0755', folder]);

  process.env.PATH = [join(final, 'programs'), path].join(delimiter);
  await using cluster = await startCluster({ major });
  expect(cluster.binFolder).toBe(realpathSync(join(final, 'programs')));
  const client = new pg.Client({ connectionString: cluster.superuserUrl() });
  await client.connect();
  try {
    const { rows } = await client.query(
      "SELECT setting, pg_read_file('/proc/self/maps') AS maps FROM pg_config WHERE name = 'SHAREDIR'",
    );
    expect(rows[0].setting).toBe(join(final, 'usr/share/postgresql', String(major)));
    expect(rows[0].maps).toContain(join(final, 'usr/lib', basename(dirname(library)), basename(library)));
    await client.query('CREATE EXTENSION pgcrypto');
  } finally {
    await client.end();
  }
  // Whatever the environment of whoever starts it
  const dump = spawnSync(join(final, 'programs/pg_dump'), ['--schema-only', cluster.superuserUrl()], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin' },
  });
  expect(dump).toMatchObject({ status: 0, stderr: '' });
  expect(dump.stdout).toContain('CREATE EXTENSION IF NOT EXISTS pgcrypto');
  expect(existsSync(join(final, 'programs/pg_config'))).toBe(false);
});

test('everybody may run what was unpacked, whatever the umask', ({ skip }) => {
  if (spawnSync('dpkg-deb', ['--version']).status !== 0) return skip('no dpkg-deb');
  folder = mkdtempSync(join(tmpdir(), 'unpacked '));
  const content = join(folder, 'content');
  mkdirSync(join(content, debian, '17/bin'), { recursive: true });
  writeFileSync(join(content, debian, '17/bin/postgres'), '');
  const file = pack(content, 'postgresql-17');
  const work = join(folder, 'work');
  // A process of its own: threads cannot set a umask.
  const module = join(import.meta.dirname, 'unpacked-server.ts');
  const script = `process.umask(0o077); (await import(${JSON.stringify(module)})).unpackServer(...${JSON.stringify([[file], work, work])})`;
  execFileSync(process.execPath, ['--input-type=module', '--eval', script]);
  for (const place of ['programs', 'programs/postgres'])
    expect(statSync(join(work, place)).mode & 0o777).toBe(0o755);
});

/** A library of the server's, which its programs find in the system */
function findLibrary(program: string): string {
  const [, library] =
    /=> (\/\S*\/lib(?:xml2|lz4|zstd|z)\.so\S*)/.exec(execFileSync('ldd', [program], { encoding: 'utf8' })) ??
    [];
  if (library === undefined) throw new Error(`${program} needs none of the libraries that this test knows`);
  return library;
}

function pack(content: string, name: string): string {
  mkdirSync(join(content, 'DEBIAN'));
  writeFileSync(
    join(content, 'DEBIAN/control'),
    `Package: ${name}\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: for a test\n`,
  );
  const file = join(folder, `${name}_1_all.deb`);
  execFileSync('dpkg-deb', ['--build', '-Znone', content, file]);
  rmSync(content, { recursive: true });
  return file;
}
