import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const entry = new URL('../../../src/entry/process/temporary-folder.ts', import.meta.url).href;
let parent: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'folders-'));
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const program = (then: string) => [
  '--input-type=module',
  '-e',
  `const { createTemporaryFolder } = await import('${entry}');
   console.log(createTemporaryFolder(${JSON.stringify(parent)})); ${then}`,
];

/** A run that has come as far as its folder, and stays. */
async function start() {
  const child = spawn(process.execPath, program('setInterval(() => {}, 1000)'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, folder: line.toString().trim() };
}

async function leave(): Promise<string> {
  const { child, folder } = await start();
  writeFileSync(join(folder, 'archive.dump'), 'decrypted', { mode: 0o600 });
  child.kill('SIGKILL');
  await once(child, 'exit');
  return folder;
}

/** A run from beginning to end */
const run = () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, program(''), { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout.trim();
};

describe('the temporary folder', () => {
  test('goes with its run, and nobody else can look into it', async () => {
    const { child, folder } = await start();
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(folder).toMatch(new RegExp(`/supabase-backup-[0-9a-f]{8}-${child.pid}-\\d{13}-\\w{6}$`));
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(existsSync(run())).toBe(false);
  });

  test('of a run that was killed goes when the next one starts', async () => {
    const left = await leave();
    expect(existsSync(join(left, 'archive.dump'))).toBe(true);
    run();
    expect(readdirSync(parent)).toEqual([]);
  });

  test('of a run that goes on stays', async () => {
    const { child, folder } = await start();
    run();
    expect(existsSync(folder)).toBe(true);
    child.kill('SIGKILL');
  });

  test('of a run before the machine was started goes, whoever has its number now', async () => {
    const left = await leave();
    renameSync(left, left.replace(/-\d+-\d{13}-/, `-${process.pid}-1600000000000-`));
    run();
    expect(readdirSync(parent)).toEqual([]);
  });

  test.runIf(process.platform === 'linux')(
    'of a run whose number another process has by now goes',
    async () => {
      const left = await leave();
      const child = spawn('sleep', ['60']);
      await once(child, 'spawn');
      const [, since = ''] = /-(\d{13})-/.exec(left) ?? [];
      renameSync(left, left.replace(/-\d+-\d{13}-/, `-${child.pid}-${Number(since) - 60_000}-`));
      run();
      expect(readdirSync(parent)).toEqual([]);
      child.kill();
    },
  );

  test.each([
    ['of another machine', (name: string) => name.replace(/backup-[0-9a-f]{8}/, 'backup-00000000')],
    ['with another name', (name: string) => `${name}-of-mine`],
    ['with the name that versions before gave', () => 'supabase-backup-a1B2c3'],
  ])('%s is no leftover', async (_, rename) => {
    const left = await leave();
    const name = rename(left.slice(parent.length + 1));
    renameSync(left, join(parent, name));
    run();
    expect(readdirSync(parent)).toEqual([name]);
  });

  test('is a folder: a link or a file of its name is left alone', async () => {
    const left = await leave();
    rmSync(left, { recursive: true });
    const elsewhere = join(parent, 'elsewhere');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, 'mine'), '');
    symlinkSync(elsewhere, left);
    writeFileSync(left.slice(0, -1).concat('_'), '');
    run();
    expect(readdirSync(elsewhere)).toEqual(['mine']);
    expect(readdirSync(parent)).toHaveLength(3);
  });

  test('with a link in it goes without what the link leads to', async () => {
    const left = await leave();
    const elsewhere = join(parent, 'elsewhere');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, 'mine'), '');
    symlinkSync(elsewhere, join(left, 'link'));
    run();
    expect(readdirSync(parent)).toEqual(['elsewhere']);
    expect(readdirSync(elsewhere)).toEqual(['mine']);
  });

  test.skipIf(process.getuid?.() !== 0)('of another user is left alone', async () => {
    const left = await leave();
    chownSync(left, 65534, 65534);
    chmodSync(left, 0o755);
    run();
    expect(existsSync(left)).toBe(true);
  });
});
