import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { reconnect } from '../fixture/seed.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type ActionRun, runAction } from '../support/run-action.ts';
import { type Finished, type Running, startCli } from '../support/run-cli.ts';
import { findProcesses, hasProc } from './processes.ts';
import { expectNoSecret, formsOf } from './refusal.ts';
import { listFolder, modeOf } from './repository-folder.ts';
import { createDatabase, createShop, query } from './shop.ts';

/** Secrets full of what shells, URLs, JSON, Markdown and regular expressions take for their own. */
const password = `p@ss:w/o?r#d%41 &"quo'te\\$(id)\`*_<b>|é+=`;
const awsSecret = 'aws/secret+with=signs&more';
const repositoryKey = 'c0ffee00'.repeat(8);

let cluster: Cluster;
let folder: string;
let identity: string;
let recipient: string;
let secrets: string[];
let sourceUrl: string;
let targets = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'secrets-'));
  cluster = await startCluster();
  identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
  secrets = [password, awsSecret, repositoryKey, identity];
  const shop = await createShop(cluster.superuserUrl(), 'shop');
  await query(shop, `CREATE ROLE keeper LOGIN SUPERUSER PASSWORD '${password.replaceAll("'", "''")}'`);
  sourceUrl = asKeeper(shop);
});
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** With the password percent-encoded to the last sign, as the message about a wrong URL asks for. */
function asKeeper(url: string): string {
  const changed = new URL(reconnect(url, { user: 'keeper' }));
  changed.password = '';
  const encoded = encodeURIComponent(password).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16)}`,
  );
  return changed.href.replace('keeper@', `keeper:${encoded}@`);
}

async function createTarget(): Promise<string> {
  targets += 1;
  return asKeeper(await createDatabase(cluster.superuserUrl(), `target_${targets}`));
}

const secretEnvironment = (): NodeJS.ProcessEnv => ({
  SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity,
  SUPABASE_BACKUP_REPOSITORY_KEY: repositoryKey,
  AWS_SECRET_ACCESS_KEY: awsSecret,
});

function expectClean(...texts: string[]): void {
  for (const text of texts) expectNoSecret(text, [...secrets, sourceUrl]);
}

/** Every byte of every file below a folder, as text that keeps them. */
function readAll(path: string): string {
  return Object.keys(listFolder(path))
    .map((file) => `${file}\n${readFileSync(join(path, file), 'latin1')}`)
    .join('\n');
}

const expectCleanFolder = (path: string): void => {
  const text = readAll(path);
  for (const secret of [...secrets, sourceUrl]) {
    for (const form of formsOf(secret))
      expect(text.includes(Buffer.from(form).toString('latin1'))).toBe(false);
  }
};

/** Looks at all processes of a run, and at its temporary files, again and again until it has ended. */
async function observe(run: Running, mark: string) {
  const seen = { arguments: new Set<string>(), modes: new Map<string, number>() };
  let ended = false;
  const finished = run.finished.finally(() => {
    ended = true;
  });
  while (!ended) {
    if (hasProc) for (const found of findProcesses(mark)) seen.arguments.add(found.arguments);
    try {
      for (const entry of readdirSync(run.temporaryFolder, { recursive: true, withFileTypes: true })) {
        const path = join(entry.parentPath, entry.name);
        seen.modes.set(entry.isDirectory() ? `${path}/` : path, modeOf(path));
      }
    } catch {
      // Removed between two looks.
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return { ...(await finished), ...seen };
}

describe('on the command line', () => {
  const storage = () => join(folder, 'repository');

  async function runObserved(words: readonly string[], env: NodeJS.ProcessEnv) {
    const mark = `mark-${Math.random()}`;
    const temporaryFolder = mkdtempSync(join(folder, 'tmp-'));
    const run = startCli([...words, '--verbose'], {
      env: { ...secretEnvironment(), ...env, SCENARIO_MARK: mark },
      temporaryFolder,
    });
    const observed = await observe(run, mark);
    expectClean(observed.stdout, observed.stderr, ...observed.arguments);
    expect(readdirSync(temporaryFolder)).toEqual([]);
    for (const [path, mode] of observed.modes) {
      // A file of COPY text or of a schema is as private as the database.
      expect(mode & 0o077, `${path} is ${mode.toString(8)}`).toBe(0);
    }
    return observed;
  }

  const succeeded = (run: Finished) => expect(run, run.stderr).toMatchObject({ exitCode: 0 });

  test('a backup tells none of them to anyone', async () => {
    const run = await runObserved(['backup', '--storage', storage(), '--encryption-recipients', recipient], {
      SUPABASE_BACKUP_DATABASE_URL: sourceUrl,
    });
    succeeded(run);
    if (hasProc) expect([...run.arguments].join('\n')).toContain('pg_dump');
    expectCleanFolder(storage());
    expect(modeOf(storage())).toBe(0o700);
    for (const file of Object.keys(listFolder(storage()))) expect(modeOf(join(storage(), file))).toBe(0o600);
  });

  test('a validation tells none of them to anyone', async () => {
    succeeded(await runObserved(['validate', '--storage', storage()], {}));
  });

  test('a restore tells none of them to anyone', async () => {
    const run = await runObserved(['restore', '--storage', storage()], {
      SUPABASE_BACKUP_TARGET_URL: await createTarget(),
    });
    succeeded(run);
    if (hasProc) expect([...run.arguments].join('\n')).toContain('pg_restore');
    expect([...run.modes.keys()].some((path) => path.endsWith('.dump'))).toBe(true);
  });

  test.each([
    ['a password that the server refuses', () => `${sourceUrl}`.replace('keeper:', 'supabase_admin:')],
    ['a port where nobody answers', () => sourceUrl.replace(/:\d+\//, ':1/')],
    ['a URL broken by the password', () => `postgresql://keeper:${password}@127.0.0.1:${cluster.port}/shop`],
    ['a URL broken by a slash', () => `postgresql://keeper:123/${password}@127.0.0.1:${cluster.port}/shop`],
    ['a database that is not there', () => sourceUrl.replace('/shop', '/nowhere')],
  ])('%s is told without the password, on stderr and as JSON', async (_, url) => {
    for (const words of [[], ['--json']]) {
      const run = await runObserved(['backup', '--storage', join(folder, 'none'), ...words], {
        SUPABASE_BACKUP_DATABASE_URL: url(),
      });
      expect(run.exitCode).toBe(2);
    }
  });

  test('a password from PGPASSWORD, an identity from a file', async () => {
    const file = join(folder, 'identity.txt');
    writeFileSync(file, `# created: today\n# public key: ${recipient}\n${identity}\n`, { mode: 0o600 });
    const run = await runObserved(['backup', '--storage', storage()], {
      PGHOST: '127.0.0.1',
      PGPORT: String(cluster.port),
      PGUSER: 'keeper',
      PGDATABASE: 'shop',
      PGPASSWORD: password,
      SUPABASE_BACKUP_ENCRYPTION_IDENTITY: file,
    });
    succeeded(run);
    expectCleanFolder(storage());
  });
});

describe('on a runner', () => {
  const storage = () => join(folder, 'of-the-action');
  const inputs = (operation: string, more: Record<string, string>) => ({
    operation,
    storage: storage(),
    'encryption-identity': identity,
    'repository-key': repositoryKey,
    ...more,
  });

  function expectMasked(run: ActionRun, urls: readonly string[]): void {
    const isMask = (line: string) => line.startsWith('::add-mask::');
    const first = run.lines.findIndex((line) => !isMask(line));
    const masks = run.lines
      .slice(0, first)
      .map((line) =>
        line.slice('::add-mask::'.length).replace(/%(25|0D|0A)/g, (code) => decodeURIComponent(code)),
      );
    expect(masks).toEqual(expect.arrayContaining([identity, repositoryKey, awsSecret, ...urls]));
    if (urls.length > 0) expect(masks).toContain(password);
    const rest = run.lines.slice(first).join('\n');
    expect(rest).not.toContain('::add-mask::');
    expectClean(rest, run.stderr, run.outputText, run.summary);
    expect(run.leftInRunnerTemp).toEqual([]);
  }

  test('masks come first, and neither log, outputs nor summary hold a secret', async () => {
    mkdirSync(storage(), { recursive: true });
    const env = { AWS_SECRET_ACCESS_KEY: awsSecret };
    const backedUp = await runAction(
      inputs('backup', { 'database-url': sourceUrl, 'encryption-recipients': recipient }),
      { env },
    );
    expect(backedUp, backedUp.stdout).toMatchObject({ exitCode: 0 });
    expectMasked(backedUp, [sourceUrl]);
    const validated = await runAction(inputs('validate', {}), { env });
    expect(validated).toMatchObject({ exitCode: 0 });
    expectMasked(validated, []);
    const target = await createTarget();
    const restored = await runAction(inputs('restore', { 'target-url': target }), { env });
    expect(restored, restored.stdout).toMatchObject({ exitCode: 0 });
    expectMasked(restored, [target]);
    expectCleanFolder(storage());
  });

  test('a failure tells none of them either', async () => {
    const wrong = sourceUrl.replace('/shop', '/nowhere');
    const run = await runAction(inputs('backup', { 'database-url': wrong }), {
      env: { AWS_SECRET_ACCESS_KEY: awsSecret, RUNNER_DEBUG: '1' },
    });
    expect(run.exitCode).toBe(1);
    expectMasked(run, [wrong]);
  });
});
