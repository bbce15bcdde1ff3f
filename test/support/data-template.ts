import { execFile } from 'node:child_process';
import { hash, randomBytes, randomInt } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Whom a server runs as; empty for whoever runs the tests. */
export type Account = { uid: number; gid: number } | Record<string, never>;

interface Wanted {
  readonly superuser: string;
  readonly account: Account;
}

/**
 * Makes `data` in a folder of the account as initdb makes it. That costs a second of CPU, and what it writes is the same for all servers of
 * a version but for the system identifier: so it is written once on this machine, without its write-ahead log, and copied; pg_resetwal gives
 * the copy a log, with an identifier of its own. Where that program is missing, initdb runs.
 *
 * @returns the superuser's password
 */
export async function prepareData(
  { binFolder }: { readonly binFolder: string },
  wanted: Wanted,
  folder: string,
): Promise<string> {
  const { account } = wanted;
  const data = join(folder, 'data');
  const reset = join(binFolder, 'pg_resetwal');
  if (!existsSync(reset)) {
    const password = await initialize(binFolder, wanted, folder);
    rmSync(join(folder, 'password'));
    return password;
  }
  const template = await findTemplate(binFolder, wanted);
  await run('cp', ['-R', join(template, 'data'), data], { ...account, cwd: folder });
  const control = join(data, 'global', 'pg_control');
  const bytes = readFileSync(control);
  // The identifier comes first, and as with initdb its upper half is the time in seconds.
  bytes.writeUInt32LE(randomInt(2 ** 32), 0);
  bytes.writeUInt32LE(Math.floor(Date.now() / 1000), 4);
  writeFileSync(control, bytes);
  // The sum does not fit any more. It goes on where it is forced to, and writes the right one.
  await run(reset, ['--force', '--pgdata', data], { ...account, cwd: folder });
  return readFileSync(join(template, 'password'), 'utf8');
}

/** Runs initdb, and leaves the superuser's password beside `data`. */
async function initialize(
  binFolder: string,
  { superuser, account }: Wanted,
  folder: string,
): Promise<string> {
  const password = randomBytes(16).toString('hex');
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (account.uid !== undefined)
    for (const path of [folder, passwordFile]) chownSync(path, account.uid, account.gid);
  await run(
    join(binFolder, 'initdb'),
    [
      ...['--pgdata', join(folder, 'data'), '--username', superuser, '--pwfile', passwordFile, '--no-sync'],
      ...['--auth', 'scram-sha-256', '--encoding', 'UTF8'],
      ...['--locale', process.platform === 'linux' ? 'C.UTF-8' : 'C'],
    ],
    { ...account, cwd: folder },
  );
  return password;
}

/** The folder of a template, which is made by whoever comes first. A server that was brought up to date has another. */
async function findTemplate(binFolder: string, wanted: Wanted): Promise<string> {
  const { mtimeMs, size } = statSync(join(binFolder, 'postgres'));
  const key = hash(
    'sha256',
    JSON.stringify([binFolder, mtimeMs, size, wanted, initialize.toString()]),
    'hex',
  );
  const template = join(tmpdir(), `pg-template-${key.slice(0, 16)}`);
  if (existsSync(template)) return template;
  const folder = mkdtempSync(`${template}-`);
  try {
    await initialize(binFolder, wanted, folder);
    const log = join(folder, 'data', 'pg_wal');
    for (const entry of readdirSync(log, { withFileTypes: true }))
      if (entry.isFile()) rmSync(join(log, entry.name));
    renameSync(folder, template);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    // Another process was faster.
    if (!existsSync(template)) throw error;
  }
  return template;
}
