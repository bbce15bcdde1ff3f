import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as clients from '../../../src/postgres/client/find.ts';
import { adviseInstall, adviseUpgrade, candidateFolders } from '../../../src/postgres/client/places.ts';
import type { Context } from '../../../src/runtime/context.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { findServers, type Server } from '../../support/cluster.ts';
import { createContext } from '../../support/context.ts';

const findClient = (major: number, context: Context, clientPath: string | undefined) =>
  clients.findClient(major, context, { clientPath, installClient: 'auto' });
const findDumpClient = (serverVersion: number, context: Context, clientPath: string | undefined) =>
  clients.findDumpClient(serverVersion, context, { clientPath, installClient: 'auto' });

const folder = mkdtempSync(path.join(tmpdir(), 'client-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Programs that answer --version and do nothing else. */
function makePrograms(name: string, version: string): string {
  const bin = path.join(folder, name);
  mkdirSync(bin, { recursive: true });
  for (const program of ['pg_dump', 'pg_restore']) {
    writeFileSync(path.join(bin, program), `#!/bin/sh\necho '${program} (PostgreSQL) ${version}'\n`);
    chmodSync(path.join(bin, program), 0o755);
  }
  return bin;
}

const withPath = (...folders: string[]) =>
  createContext({ env: { PATH: [...folders, '/usr/bin', '/bin'].join(path.delimiter) } });

let installed: Server;
beforeAll(async () => {
  installed = (await findServers())[0] as Server;
});

describe('the client programs', () => {
  it('of the server’s own major are found where distributions put them, without a PATH', async () => {
    const tools = await findClient(installed.major, createContext({ env: { PATH: '' } }), undefined);
    expect(tools.major).toBe(installed.major);
    expect(tools.version).toMatch(new RegExp(`^${installed.major}\\.`));
  });

  it('of the server’s own major are preferred to newer ones, whatever comes first in PATH', async () => {
    const [newer, own] = [makePrograms('92', '92.1'), makePrograms('91', '91.4 (Debian 91.4-1)')];
    const context = withPath(newer, own);
    expect(await findClient(91, context, undefined)).toEqual({
      major: 91,
      version: '91.4',
      pgDump: path.join(own, 'pg_dump'),
      pgRestore: path.join(own, 'pg_restore'),
    });
    expect(context.log.warnings).toEqual([]);
  });

  it('that are newer do when there are no others, the oldest of them, with a warning', async () => {
    const context = withPath(makePrograms('93', '93.1'), makePrograms('92', '92.1'));
    expect((await findClient(91, context, undefined)).major).toBe(92);
    expect(context.log.warnings).toHaveLength(1);
  });

  it('of a version in the making are known by their major', async () => {
    expect((await findClient(94, withPath(makePrograms('94', '94beta1')), undefined)).major).toBe(94);
  });

  it('that are older are never used', async () => {
    await expect(findClient(99, withPath(makePrograms('91', '91.4')), undefined)).rejects.toThrow(
      ConfigurationError,
    );
    await expect(findClient(99, withPath(), undefined)).rejects.toThrow(/PostgreSQL 99/);
  });

  it('that do not run are passed over', async () => {
    const broken = makePrograms('broken', '91.1');
    writeFileSync(path.join(broken, 'pg_dump'), '#!/bin/sh\nexit 1\n');
    const silent = makePrograms('silent', '');
    const half = makePrograms('half', '91.1');
    rmSync(path.join(half, 'pg_restore'));
    const own = makePrograms('91', '91.4');
    expect((await findClient(91, withPath(broken, silent, half, own), undefined)).pgDump).toBe(
      path.join(own, 'pg_dump'),
    );
  });
});

it('that only start others, as those of Debian on PATH do, are not asked', async () => {
  const bin = makePrograms('debian', '91.7');
  const started = path.join(folder, 'started');
  const wrapper = path.join(folder, 'pg_wrapper');
  writeFileSync(wrapper, `#!/bin/sh\n: >'${started}'\necho 'pg_dump (PostgreSQL) 91.7'\n`, { mode: 0o755 });
  rmSync(path.join(bin, 'pg_dump'));
  symlinkSync(wrapper, path.join(bin, 'pg_dump'));
  const own = makePrograms('91', '91.4');
  expect((await findClient(91, withPath(bin, own), undefined)).version).toBe('91.4');
  expect(existsSync(started)).toBe(false);
  // Where the user names the folder they are taken for what they say.
  expect((await findClient(91, withPath(), bin)).version).toBe('91.7');
});

describe('the programs of a backup', () => {
  it('are never of an older minor than the server, whose catalog they would not know', async () => {
    const [older, newer] = [makePrograms('91.4', '91.4'), makePrograms('91.6', '91.6 (Debian 91.6-1)')];
    for (const folders of [
      [older, newer],
      [newer, older],
    ]) {
      expect((await findDumpClient(910006, withPath(...folders), undefined)).version).toBe('91.6');
      expect((await findDumpClient(910005, withPath(...folders), undefined)).version).toBe('91.6');
    }
    // A restore takes the newest there is, and is content with any.
    expect((await findClient(91, withPath(older, newer), undefined)).version).toBe('91.6');
    expect((await findClient(91, withPath(older), undefined)).version).toBe('91.4');
  });

  it('are refused when they are older, with both versions and the remedy', async () => {
    const refused = await findDumpClient(
      910007,
      withPath(makePrograms('91.4', '91.4'), makePrograms('91.6', '91.6')),
      undefined,
    ).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ConfigurationError);
    expect((refused as Error).message).toContain("version 91.6, older than the server's 91.7");
    expect((refused as ConfigurationError).next).toContain(
      'apt-get update && apt-get install --only-upgrade postgresql-client-91',
    );
  });

  it('of a newer major do when those of the own major are too old', async () => {
    const context = withPath(makePrograms('91.4', '91.4'), makePrograms('92', '92.1'));
    expect((await findDumpClient(910007, context, undefined)).version).toBe('92.1');
    expect(context.log.warnings).toHaveLength(1);
  });

  it.each([
    ['17.12', 150020, true],
    ['17.11', 150020, false],
    ['16.16', 150020, true],
    ['16.15', 150020, false],
    ['18.0', 170005, true],
    ['18.0', 170012, false],
    ['19beta1', 180006, true],
  ])('of version %s are as new as server %d: %s', async (version, serverVersion, isAsNew) => {
    const given = findDumpClient(serverVersion, withPath(), makePrograms(version, version));
    if (isAsNew) expect((await given).version).toBe(version);
    else await expect(given).rejects.toThrow(`client-path: pg_dump there is version ${version}, older than`);
  });

  it('of a version in the making fit its server', async () => {
    expect((await findDumpClient(940000, withPath(makePrograms('94', '94beta2')), undefined)).major).toBe(94);
    await expect(findDumpClient(940001, withPath(makePrograms('94', '94rc1')), undefined)).rejects.toThrow(
      "version 94rc1, older than the server's 94.1",
    );
  });

  it('in client-path are held to it too', async () => {
    const [older, newer] = [makePrograms('91.4', '91.4'), makePrograms('91.6', '91.6')];
    await expect(findDumpClient(910006, withPath(newer), older)).rejects.toThrow(
      "client-path: pg_dump there is version 91.4, older than the server's 91.6",
    );
    expect((await findDumpClient(910006, withPath(older), newer)).version).toBe('91.6');
    expect((await findClient(91, withPath(newer), older)).version).toBe('91.4');
  });
});

describe('client-path', () => {
  it('is taken when it is new enough, even when the own major is elsewhere', async () => {
    const [own, given] = [makePrograms('91', '91.4'), makePrograms('92', '92.1')];
    expect((await findClient(91, withPath(own), given)).major).toBe(92);
  });

  it('that holds no programs is a mistake', async () => {
    await expect(findClient(91, withPath(makePrograms('91', '91.4')), folder)).rejects.toThrow(
      /client-path: .*does not hold/,
    );
  });

  it('that holds older programs is a mistake', async () => {
    const given = makePrograms('91', '91.4');
    await expect(findClient(92, withPath(), given)).rejects.toThrow(
      /client-path: pg_dump there is version 91\.4/,
    );
  });
});

describe('the usual places', () => {
  it.each([
    ['Debian', 'usr/lib/postgresql/17/bin'],
    ['Red Hat', 'usr/pgsql-17/bin'],
    ['Alpine', 'usr/libexec/postgresql17'],
    ['SUSE', 'usr/lib/postgresql17/bin'],
    ['Gentoo', 'usr/lib64/postgresql-17/bin'],
    ['Homebrew', 'opt/homebrew/opt/postgresql@17/bin'],
    ['Homebrew on Intel', 'usr/local/opt/libpq/bin'],
    ['Homebrew on Linux', 'home/linuxbrew/.linuxbrew/opt/postgresql@17/bin'],
    ['Postgres.app', 'Applications/Postgres.app/Contents/Versions/17/bin'],
    ['the installer of EDB', 'Library/PostgreSQL/17/bin'],
  ])('of %s are looked at before PATH', (_, place) => {
    const root = mkdtempSync(path.join(folder, 'root-'));
    mkdirSync(path.join(root, place), { recursive: true });
    for (const other of ['usr/lib/postgresql/common', 'usr/libexec/git', 'Library/PostgreSQL/data'])
      mkdirSync(path.join(root, other), { recursive: true });
    const wanted = path.join(root, place);
    const found = candidateFolders({ PATH: '/on/path' }, root).map((name) => name.replace(/\/$/, ''));
    expect(found).toEqual([wanted, '/on/path']);
  });
});

it.each([
  ['macOS', 'Run "brew install postgresql@17"', 'brew upgrade postgresql@17'],
  ['Alpine', 'Run "apk add postgresql17-client" as root', 'apk upgrade postgresql17-client'],
  ['Linux', 'Install postgresql-client-17', '--only-upgrade postgresql-client-17'],
] as const)('what is missing on %s is told as it is had there', (system, install, upgrade) => {
  expect(String(adviseInstall(17, system))).toContain(install);
  expect(adviseUpgrade(17, system)).toContain(upgrade);
});
