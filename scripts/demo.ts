import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { reconnect, seedDatabase } from '../test/fixture/seed.ts';
import { type Cluster, startCluster } from '../test/support/cluster.ts';
import { provideServer } from '../test/support/unpacked-server.ts';

/**
 * The main job, once: a Supabase-shaped database on a PostgreSQL started for the occasion is backed up into a local folder, the
 * backup is validated, restored into a second database, and compared. Runs the committed bundle, as a user would.
 */

const root = path.join(import.meta.dirname, '..');
const storage = './.demo/backups';

try {
  await provideServer(say);
  rmSync(path.join(root, '.demo'), { recursive: true, force: true });
  say('Starting a PostgreSQL of our own');
  await using cluster = await startCluster();
  await showMainJob(cluster);
} catch (error) {
  console.error(`\nerror: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}

async function showMainJob({ major, superuserUrl, binFolder }: Cluster): Promise<void> {
  const started = performance.now();
  say(
    `PostgreSQL ${major}: seeding a database as a Supabase project has it (2,000 tiny tables, 300,000 larger rows)`,
  );
  const source = await seedDatabase({
    superuserUrl: superuserUrl('postgres'),
    database: 'app',
    bulkRows: 300_000,
  });
  const client = new pg.Client({ connectionString: source.superuserUrl });
  await client.connect();
  await client.query('CREATE DATABASE restored TEMPLATE template0');
  await client.end();

  const shared = ['--storage', storage, '--client-path', binFolder];
  await runBundle('backup', shared, { SUPABASE_BACKUP_DATABASE_URL: source.ownerUrl });
  await runBundle('validate', shared, {});
  await runBundle('restore', shared, {
    SUPABASE_BACKUP_TARGET_URL: reconnect(source.superuserUrl, { database: 'restored' }),
  });
  say(`All of it in ${((performance.now() - started) / 1000).toFixed(1)} s. The backup is in ${storage}.`);
}

async function runBundle(
  operation: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<void> {
  say(`node dist/cli.cjs ${operation} ${args.join(' ')}`);
  const child = spawn(process.execPath, ['dist/cli.cjs', operation, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: 'inherit',
  });
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (code !== 0) throw new Error(`${operation} ended with ${code}`);
}

function say(line: string): void {
  process.stderr.write(`\n\x1b[1m▸ ${line}\x1b[0m\n`);
}
