import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createDatabase, createShop, query } from '../scenarios/shop.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { succeed } from '../support/run-cli.ts';
import { type Block, dumpTruth, follow, installProgram, readPage, type Truth } from './followed.ts';

/*
 * docs/emergency.md is followed as it stands: the blocks of a page, in order, in one sh that knows the names
 * which its preparation exports. What comes back is compared with what pg_dump wrote before the mistake.
 */

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/emergency.md'), 'utf8');
const minutes = 60_000;
let cluster: Cluster;
let folder: string;
let identity: string;
let recipient: string;

/** The names that the preparation exports, whose values are examples */
const prepared = [...section('Prepare').matchAll(/^export (\w+)='[^']+'$/gm)].map(([, name = '']) => name);

function section(heading: string): string {
  return page.split(`\n## ${heading}\n`)[1]?.split(/^## /m)[0] ?? '';
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'emergency-'));
  cluster = await startCluster();
  identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
  installProgram(folder);
}, 2 * minutes);
afterAll(async () => {
  await cluster?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Incident {
  readonly url: string;
  readonly storage: string;
  readonly truth: Truth;
  /** A moment after the backup and before the mistake */
  readonly before: string;
}

const dump = (url: string) => dumpTruth(url, cluster);

async function prepare(name: string): Promise<Incident> {
  const url = await createShop(cluster.superuserUrl(), name);
  const storage = join(folder, `${name}, it's the storage`);
  const env = { SUPABASE_BACKUP_DATABASE_URL: url };
  await succeed(['backup', '--storage', storage, '--encryption-recipients', recipient], { env });
  const [now] = await query<{ at: string }>(
    url,
    `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS at`,
  );
  return { url, storage, truth: await dump(url), before: `before:${now?.at}` };
}

async function followPage(
  incident: Incident,
  blocks: readonly Block[],
  given: Readonly<Record<string, string>> = {},
): Promise<string> {
  const values: Record<string, string> = {
    SUPABASE_BACKUP_STORAGE: incident.storage,
    AWS_ACCESS_KEY_ID: 'unused',
    AWS_SECRET_ACCESS_KEY: 'unused',
    AWS_REGION: 'unused',
    SUPABASE_BACKUP_ENCRYPTION_IDENTITY: identity,
    SUPABASE_BACKUP_TARGET_URL: incident.url,
    TABLE: 'sales.customers',
    BACKUP: incident.before,
  };
  expect(Object.keys(values).sort()).toEqual([...prepared].sort());
  expect(blocks.length).toBeGreaterThan(0);
  const path = [folder, cluster.binFolder, '/usr/bin', '/bin'].join(delimiter);
  const place = mkdtempSync(join(folder, 'place-'));
  const followed = await follow(blocks, place, { PATH: path, HOME: folder, ...values, ...given });
  for (const [index, { status, printed }] of followed.entries()) {
    expect(status, `${blocks[index]?.commands}\nprinted:\n${printed}`).toBe('0');
  }
  return followed.map(({ printed }) => printed).join('\n');
}

describe('a page of emergencies that is followed', () => {
  it(
    'prepares, and brings deleted rows back',
    async () => {
      const incident = await prepare('rows');
      await query(incident.url, 'DELETE FROM private.notes WHERE id > 10');
      const preparation = readPage(page, 'Prepare').slice(1);
      const printed = await followPage(incident, [...preparation, ...readPage(page, 'Rows')], {
        TABLE: 'private.notes',
      });
      expect(printed).toContain('is pinned');
      expect(await dump(incident.url)).toEqual(incident.truth);
    },
    2 * minutes,
  );

  it(
    'brings a dropped table back',
    async () => {
      const incident = await prepare('dropped');
      await query(incident.url, 'DROP TABLE private.notes');
      await followPage(incident, readPage(page, 'Table'), { TABLE: 'private.notes' });
      expect(await dump(incident.url)).toEqual(incident.truth);
    },
    2 * minutes,
  );

  it(
    'takes a database back to before a bad migration, with a safety backup',
    async () => {
      const incident = await prepare('migrated');
      await query(
        incident.url,
        'ALTER TABLE sales.customers DROP COLUMN name; DELETE FROM public.events; DROP VIEW sales.totals',
      );
      const printed = await followPage(incident, readPage(page, 'Bad migration'));
      expect(printed).toMatch(/backed up before anything was removed: \S+, pinned/);
      expect(await dump(incident.url)).toEqual(incident.truth);
    },
    2 * minutes,
  );

  it(
    'brings everything into a new project',
    async () => {
      const incident = await prepare('gone');
      await query(cluster.superuserUrl(), 'DROP DATABASE gone WITH (FORCE)');
      const url = await createDatabase(cluster.superuserUrl(), 'new_project');
      await followPage({ ...incident, url }, readPage(page, 'Project gone'));
      expect(await dump(url)).toEqual(incident.truth);
    },
    2 * minutes,
  );

  it(
    'takes a backup elsewhere, reads the copy, and heals the bucket',
    async () => {
      const incident = await prepare('bucket');
      const copy = join(folder, 'the copy');
      cpSync(incident.storage, copy, { recursive: true });
      rmSync(incident.storage, { recursive: true });
      mkdirSync(incident.storage);
      const elsewhere = join(folder, 'elsewhere');
      await followPage(incident, readPage(page, 'Bucket gone'), {
        COPY: copy,
        NEW_STORAGE: elsewhere,
        RECIPIENT: recipient,
      });
      const list = (storage: string) => readdirSync(join(storage, 'backups'));
      expect(list(incident.storage)).toEqual(list(copy));
      expect(list(elsewhere)).toHaveLength(1);
    },
    2 * minutes,
  );
});

describe('the commands of that page for workflows', () => {
  const commands = [...page.matchAll(/^gh workflow run ((?:.*\\\n)*.*)$/gm)].map(([, words = '']) =>
    words.replace(/\\\n\s*/g, ''),
  );

  it('are there for each way that a workflow has', () => {
    expect(commands).toHaveLength(6);
  });

  const generated = 'test/schedule/workflows/golden/small/supabase-backup-restore.yml.txt';

  it.each(commands)('%s gives inputs that the workflow has', (words) => {
    const [file = ''] = words.split(' ', 1);
    const given = [...words.matchAll(/-f ([\w-]+)=('[^']*'|\S+)/g)];
    expect(given.length).toBeGreaterThan(1);
    for (const workflow of [join('examples', file), generated]) {
      const inputs: Record<string, { type: string }> = parse(readFileSync(join(root, workflow), 'utf8')).on
        .workflow_dispatch.inputs;
      for (const [, name = '', value = ''] of given) {
        expect(Object.keys(inputs)).toContain(name);
        if (inputs[name]?.type === 'boolean') expect(['true', 'false']).toContain(value);
      }
    }
    // A dry run is the default: only what says otherwise, and types the words, changes anything.
    const changes = words.includes('dry-run=false');
    expect(words.includes("confirm='RESTORE PRODUCTION'")).toBe(changes);
  });
});
