import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../src/errors.ts';
import { findClient } from '../../src/postgres/client.ts';
import { findServers, type Server } from '../support/cluster.ts';
import { createWorld } from './database.ts';

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
  createWorld({ env: { PATH: [...folders, '/usr/bin', '/bin'].join(path.delimiter) } });

let installed: Server;
beforeAll(async () => {
  installed = (await findServers())[0] as Server;
});

describe('the client programs', () => {
  it('of the server’s own major are found where distributions put them, without a PATH', async () => {
    const tools = await findClient(installed.major, createWorld({ env: { PATH: '' } }), undefined);
    expect(tools.major).toBe(installed.major);
    expect(tools.version).toMatch(new RegExp(`^${installed.major}\\.`));
  });

  it('of the server’s own major are preferred to newer ones, whatever comes first in PATH', async () => {
    const [newer, own] = [makePrograms('92', '92.1'), makePrograms('91', '91.4 (Debian 91.4-1)')];
    const world = withPath(newer, own);
    expect(await findClient(91, world, undefined)).toEqual({
      major: 91,
      version: '91.4',
      pgDump: path.join(own, 'pg_dump'),
      pgRestore: path.join(own, 'pg_restore'),
    });
    expect(world.log.warnings).toEqual([]);
  });

  it('that are newer do when there are no others, the oldest of them, with a warning', async () => {
    const world = withPath(makePrograms('93', '93.1'), makePrograms('92', '92.1'));
    expect((await findClient(91, world, undefined)).major).toBe(92);
    expect(world.log.warnings).toHaveLength(1);
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
