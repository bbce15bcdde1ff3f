import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import {
  chmod,
  lutimes,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigurationError, StorageError } from '../../src/runtime/errors.ts';
import { FileStorage } from '../../src/storage/file.ts';
import { DeniedValueError, ForeignValueError, RetainedError } from '../../src/storage/storage.ts';
import { describeStorage, keysOf, valuesOf } from '../storage.contract.ts';
import { presentContext } from '../support/context.ts';
import { isWhole } from './writer.ts';

const base = await mkdtemp(join(tmpdir(), 'storage-file-'));
afterAll(() => rm(base, { recursive: true, force: true }));

let folders = 0;
function newRoot(): string {
  return join(base, `root-${folders++}`);
}

/** Whether a command that needs rights, or a kind of filesystem, works here. */
function works(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function mountedTmpfs(options: string): Promise<string | undefined> {
  const path = newRoot();
  await mkdir(path);
  return works('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', path) ? path : undefined;
}

const readOnly = await mountedTmpfs('size=1m,ro');
const small = await mountedTmpfs('size=2m');
afterAll(() => {
  for (const path of [readOnly, small]) if (path) works('umount', path);
});

const lockable = join(base, 'lockable');
await writeFile(lockable, '');
const canLock = works('chattr', '+i', lockable) && works('chattr', '-i', lockable);

describeStorage('file', async () => new FileStorage(newRoot(), presentContext));

describe('a folder', () => {
  test('is made with its parents, for its owner alone', async () => {
    const root = join(newRoot(), 'made', 'deep');
    const storage = new FileStorage(root, presentContext);
    await storage.put('objects/ab/key', Buffer.from('value'));
    await storage.create('created', Buffer.from('value'));
    for (const path of ['.', 'tmp', 'objects', 'objects/ab']) {
      expect((await stat(join(root, path))).mode & 0o777).toBe(0o700);
    }
    for (const path of ['objects/ab/key', 'created']) {
      expect((await stat(join(root, path))).mode & 0o777).toBe(0o600);
    }
  });

  test('has nothing temporary left after a success, a refusal or a failure', async () => {
    const root = newRoot();
    const storage = new FileStorage(root, presentContext);
    await storage.put('key', Buffer.from('value'));
    await storage.create('created', Buffer.from('value'));
    await storage.create('created', Buffer.from('value'));
    await expect(storage.put('key/below', Buffer.from('value'))).rejects.toThrow(StorageError);
    await expect(storage.create('key/below', Buffer.from('value'))).rejects.toThrow(StorageError);
    expect(await readdir(join(root, 'tmp'))).toEqual([]);
  });

  test('that is removed while it is in use is not made again', async () => {
    const root = newRoot();
    const storage = new FileStorage(root, presentContext, './shown');
    await storage.probe();
    await storage.put('objects/aa/one', Buffer.from('one'));
    await rm(root, { recursive: true });
    for (const write of ['put', 'create'] as const) {
      await expect(storage[write]('objects/aa/two', Buffer.from('two'))).rejects.toThrow(
        'the folder ./shown was removed while it was in use',
      );
    }
    await expect(stat(root)).rejects.toThrow(/ENOENT/);
    // Whoever comes next may make it.
    await new FileStorage(root, presentContext).put('key', Buffer.from('value'));
  });

  test('may hold what others left there, which is not listed', async () => {
    const root = newRoot();
    const storage = new FileStorage(root, presentContext);
    await storage.put('key', Buffer.from('value'));
    await writeFile(join(root, 'name with spaces'), '');
    await mkdir(join(root, 'lost+found'));
    await writeFile(join(root, 'tmp', 'unfinished'), '');
    expect(await keysOf(storage, '')).toEqual(['key']);
  });

  test('is freed by a probe of writes that were abandoned, not of those under way', async () => {
    const root = newRoot();
    const storage = new FileStorage(root, presentContext);
    await storage.probe();
    const [old, young] = [randomUUID(), randomUUID()];
    for (const name of [old, young, 'precious.txt']) await writeFile(join(root, 'tmp', name), 'part');
    const yesterday = new Date(Date.now() - 25 * 60 * 60 * 1000);
    for (const name of [old, 'precious.txt']) await utimes(join(root, 'tmp', name), yesterday, yesterday);
    const linked = randomUUID();
    await symlink('precious.txt', join(root, 'tmp', linked));
    await lutimes(join(root, 'tmp', linked), yesterday, yesterday);
    await storage.probe();
    expect((await readdir(join(root, 'tmp'))).sort()).toEqual(['precious.txt', linked, young].sort());
  });

  test.skipIf(!canLock)('names what cannot be deleted, and deletes the rest', async () => {
    const root = newRoot();
    const storage = new FileStorage(root, presentContext);
    for (const key of ['a', 'locked', 'c']) await storage.put(key, Buffer.from(key));
    works('chattr', '+i', join(root, 'locked'));
    try {
      const error = await storage.delete(['a', 'locked', 'c']).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(RetainedError);
      expect(error).toMatchObject({ keys: ['locked'] });
      expect(await keysOf(storage, '')).toEqual(['locked']);
    } finally {
      works('chattr', '-i', join(root, 'locked'));
    }
  });
});

describe('a folder that is made inside of a git repository', () => {
  const addAll = (checkout: string) => {
    execFileSync('git', ['init', '--quiet', checkout]);
    return () => {
      execFileSync('git', ['-C', checkout, 'add', '--all']);
      return execFileSync('git', ['-C', checkout, 'ls-files'], { encoding: 'utf8' });
    };
  };

  test('is not taken up by git, and holds its values alone', async () => {
    const checkout = newRoot();
    const list = addAll(checkout);
    const storage = new FileStorage(join(checkout, 'deep', 'backups'), presentContext);
    await storage.probe();
    await storage.create('repository.json', Buffer.from('{}'));
    expect(list()).toBe('');
    expect(await keysOf(storage, '')).toEqual(['repository.json']);
    expect(await storage.create('objects/x', Buffer.from('x'))).toBe(true);
    await expect(storage.put('.gitignore', Buffer.from('!*'))).rejects.toThrow('not a storage key');
  });

  test('that was there before is left as it is: somebody may keep it in git', async () => {
    const checkout = newRoot();
    const list = addAll(checkout);
    await mkdir(join(checkout, 'backups'));
    await new FileStorage(join(checkout, 'backups'), presentContext).create('key', Buffer.from('x'));
    expect(list()).toBe('backups/key\n');
  });
});

describe('links', () => {
  const value = Buffer.from('theirs');

  /** A folder of somebody else, and a repository in which a link leads to it. */
  async function lure(name: string): Promise<{ theirs: string; root: string; storage: FileStorage }> {
    const [theirs, root] = [newRoot(), newRoot()];
    const storage = new FileStorage(root, presentContext, './shown');
    await storage.put('objects/ab/key', Buffer.from('ours'));
    await rm(join(root, name), { recursive: true, force: true });
    await new FileStorage(theirs, presentContext).put('key', value);
    await new FileStorage(theirs, presentContext).put('ab/key', value);
    await symlink(theirs, join(root, name));
    return { theirs, root, storage };
  }

  test.each(['objects', 'objects/ab'])(
    'in the place of the folder %s are refused by whatever goes through',
    async (name) => {
      const { theirs, root, storage } = await lure(name);
      for (const call of [
        () => storage.get('objects/ab/key'),
        () => storage.stat('objects/ab/key'),
        () => storage.put('objects/ab/key', Buffer.from('new')),
        () => storage.create('objects/ab/new', Buffer.from('new')),
        () => storage.delete(['objects/ab/key']),
        () => keysOf(storage, `${name}/`),
      ]) {
        const error = await call().catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(ConfigurationError);
        expect((error as ConfigurationError).message).toContain(`${join(root, name)} is a symbolic link`);
        expect((error as ConfigurationError).next).toContain('remove the link');
      }
      expect((await readdir(theirs)).sort()).toEqual(['ab', 'key', 'tmp']);
      expect(await readFile(join(theirs, 'ab', 'key'))).toEqual(value);
    },
  );

  test('in the place of `tmp` are refused before anything is written or removed', async () => {
    const { theirs, root, storage } = await lure('tmp');
    const old = join(theirs, randomUUID());
    await writeFile(old, 'theirs');
    await utimes(old, new Date(0), new Date(0));
    for (const call of [() => storage.probe(), () => storage.put('new', value)]) {
      await expect(call()).rejects.toThrow(ConfigurationError);
    }
    expect(await readFile(old, 'utf8')).toBe('theirs');
    expect(await readdir(root)).not.toContain('new');
  });

  test('in the place of a value are listed, replaced and removed, and never read', async () => {
    const { theirs, root, storage } = await lure('objects/ab');
    await rm(join(root, 'objects/ab'));
    await storage.put('objects/ab/other', value);
    await symlink(join(theirs, 'key'), join(root, 'objects/ab/key'));
    await symlink('/nowhere', join(root, 'objects/ab/dangling'));
    expect(await keysOf(storage, 'objects/')).toEqual([
      'objects/ab/dangling',
      'objects/ab/key',
      'objects/ab/other',
    ]);
    const error = await storage.get('objects/ab/key').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ForeignValueError);
    expect((error as Error).message).toContain('symbolic link');
    expect(await storage.create('objects/ab/dangling', value)).toBe(false);
    await storage.put('objects/ab/dangling', Buffer.from('ours'));
    await storage.delete(['objects/ab/key']);
    expect((await storage.get('objects/ab/dangling')).toString()).toBe('ours');
    expect(await readFile(join(theirs, 'key'))).toEqual(value);
  });

  test('are followed on the way to the folder itself', async () => {
    const [real, root] = [newRoot(), newRoot()];
    await mkdir(real);
    await symlink(real, root);
    const storage = new FileStorage(root, presentContext);
    await storage.probe();
    await storage.put('objects/ab/key', value);
    expect(await keysOf(storage, '')).toEqual(['objects/ab/key']);
    expect(await storage.get('objects/ab/key')).toEqual(value);
  });

  test('nor what else is no file: a folder, a socket', async () => {
    const root = newRoot();
    const storage = new FileStorage(root, presentContext);
    await storage.put('key', value);
    await mkdir(join(root, 'folder'));
    const server = createServer().listen(join(root, 'socket'));
    await once(server, 'listening');
    for (const key of ['folder', 'socket']) {
      await expect(storage.get(key)).rejects.toBeInstanceOf(ForeignValueError);
    }
    expect(await keysOf(storage, '')).toEqual(['key']);
    const refused = await storage.put('folder', value).catch((thrown: unknown) => thrown as StorageError);
    expect(refused).toMatchObject({
      message: expect.stringContaining('cannot store folder in'),
      next: expect.stringContaining('move the folder away'),
    });
    await storage.put('socket', value);
    expect((await storage.get('socket')).equals(value)).toBe(true);
    server.close();
  });

  test('nor folders in folders beyond the longest path: what lies beside them is listed', async () => {
    const root = newRoot();
    const storage = new FileStorage(root, presentContext);
    await storage.put('locks/key', value);
    const script =
      'for i in $(seq 30); do d=$(printf "a%.0s" $(seq 200)); mkdir $d && cd -P $d || exit 1; done';
    expect(spawnSync('sh', ['-c', script], { cwd: join(root, 'locks') }).status).toBe(0);
    expect(await keysOf(storage, 'locks/')).toEqual(['locks/key']);
    // Node cannot remove them.
    expect(spawnSync('rm', ['-rf', join(root, 'locks')]).status).toBe(0);
  });

  test.skipIf(process.getuid?.() === 0)('nor what this user may not read, which is told apart', async () => {
    const root = newRoot();
    const storage = new FileStorage(root, presentContext);
    await storage.put('key', value);
    await chmod(join(root, 'key'), 0);
    await expect(storage.get('key')).rejects.toBeInstanceOf(DeniedValueError);
    expect(await storage.stat('key')).toMatchObject({ size: value.length });
  });

  test.skipIf(!works('mkfifo', join(base, 'fifo')))('nor pipes: one keeps nobody waiting', async () => {
    const root = newRoot();
    const storage = new FileStorage(root, presentContext);
    await storage.put('key', value);
    works('mkfifo', join(root, 'pipe'));
    expect(await keysOf(storage, '')).toEqual(['key']);
    await expect(storage.get('pipe')).rejects.toMatchObject({
      missing: false,
      how: expect.stringContaining('pipe'),
    });
  });
});

describe('a probe names the mistake', () => {
  async function probe(root: string): Promise<unknown> {
    return new FileStorage(root, presentContext, './shown').probe().catch((thrown: unknown) => thrown);
  }

  test('a file', async () => {
    const root = newRoot();
    await writeFile(root, 'important');
    const error = await probe(root);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toContain('./shown is not a folder, or lies under a file');
    expect((error as ConfigurationError).next).toContain('storage');
    expect(await readFile(root, 'utf8')).toBe('important');
  });

  test('a folder under a file', async () => {
    const root = newRoot();
    await writeFile(root, '');
    const error = await probe(join(root, 'below'));
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toContain('./shown is not a folder, or lies under a file');
  });

  test.skipIf(process.platform !== 'linux')('a folder that cannot be made', async () => {
    const error = await probe('/proc/backups');
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toContain('./shown cannot be created');
  });

  test.skipIf(!readOnly)('a read-only filesystem', async () => {
    const error = await probe(readOnly ?? '');
    expect(error).toBeInstanceOf(ConfigurationError);
    expect((error as Error).message).toBe('./shown is on a read-only filesystem (EROFS)');
  });
});

test.skipIf(!small)(
  'a full disk is an error that says so, and nothing of the failed write stays',
  async () => {
    const storage = new FileStorage(small ?? '', presentContext);
    await storage.put('kept', Buffer.alloc(1_000_000, 1));
    for (const write of [
      () => storage.put('kept', Buffer.alloc(1_500_000, 2)),
      () => storage.create('new', Buffer.alloc(1_500_000, 2)),
    ]) {
      const error = await write().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(StorageError);
      expect((error as StorageError).message).toContain('ENOSPC');
      expect((error as StorageError).next).toContain('Free space');
    }
    expect(await keysOf(storage, '')).toEqual(['kept']);
    expect((await storage.get('kept')).equals(Buffer.alloc(1_000_000, 1))).toBe(true);
    await storage.put('fits', Buffer.alloc(500_000));
  },
);

describe('a killed writer', () => {
  // From before its first write to the middle of many.
  test.each([1, 7, 20, 50, 120, 250])(
    'after %i ms leaves only whole values, and all it has confirmed',
    async (delay) => {
      const root = newRoot();
      const writer = spawn(process.execPath, [join(import.meta.dirname, 'writer.ts'), root], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const confirmed: string[] = [];
      createInterface(writer.stdout).on('line', (line) => confirmed.push(line));
      await once(writer.stdout, 'data');
      setTimeout(() => writer.kill('SIGKILL'), delay);
      const [, signal] = await once(writer, 'close');
      expect(signal).toBe('SIGKILL');

      const storage = new FileStorage(root, presentContext);
      const values = await valuesOf(storage, '');
      for (const { key, size } of values) {
        const value = await storage.get(key);
        expect(value).toHaveLength(size);
        expect(isWhole(value)).toBe(true);
      }
      const keys = values.map(({ key }) => key);
      expect(keys).toEqual(expect.arrayContaining(confirmed.slice(1)));
    },
  );
});
