import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { TableEntry } from '../../../src/format/manifest.ts';
import { readTables } from '../../../src/postgres/catalog/tables.ts';
import type { ToolEnvironment } from '../../../src/postgres/client/environment.ts';
import { readContents } from '../../../src/postgres/client/table-of-contents.ts';
import { clientEnvironment } from '../../../src/postgres/session/client-variables.ts';
import type { Session } from '../../../src/postgres/session/connection.ts';
import { applySettings } from '../../../src/postgres/session/output-settings.ts';
import { parseConnection } from '../../../src/postgres/session/settings.ts';
import { copyOut, type RowSink } from '../../../src/postgres/wire/copy-reader.ts';
import { ArchiveRestore } from '../../../src/restorer/archive/restore.ts';
import { type Step, steps } from '../../../src/restorer/archive/steps.ts';
import { type Replayed, type ReplayRequest, replayChanges } from '../../../src/restorer/replay/replay.ts';
import { createContext, emptyContext } from '../../support/context.ts';
import type { TestServer } from '../servers.ts';

const { parse } = path;
const run = promisify(execFile);
const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** What a capture has stored. */
export interface Captured {
  readonly toXmax: string;
  readonly bytes: Buffer;
}

/** What a backup knows of its source. */
export interface Base {
  readonly snapshot: string;
  readonly tables: readonly TableEntry[];
  readonly archive: string;
}

/** A source whose changes are captured, and targets that are brought forward. */
export class Setting implements AsyncDisposable {
  readonly server: TestServer;
  readonly url: string;
  readonly captured: Captured[] = [];
  readonly #slot: string;
  readonly #session: Session;
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'replay-'));

  private constructor(server: TestServer, url: string, session: Session, slot: string) {
    this.server = server;
    this.url = url;
    this.#session = session;
    this.#slot = slot;
  }

  /** @param definitions what the source has before anything is captured */
  static async create(server: TestServer, definitions: string): Promise<Setting> {
    const url = await server.createDatabase();
    await server.run(definitions, databaseOf(url));
    const session = await server.open(url);
    await applySettings(session, 'UTF8');
    const slot = `${databaseOf(url)}_slot`;
    await session.query('SELECT pg_create_logical_replication_slot($1, $2)', [slot, 'test_decoding']);
    return new Setting(server, url, session, slot);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session.query('SELECT pg_drop_replication_slot($1)', [this.#slot]);
    await this.#session.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  run(sql: string): Promise<void> {
    return this.server.run(sql, databaseOf(this.url));
  }

  /** Adds a segment with what was committed since the last one. */
  async capture(): Promise<Captured> {
    const sink = new CollectingSink();
    const options = `'include-xids', '1', 'include-timestamp', '1', 'skip-empty-xacts', '1'`;
    await copyOut(
      this.#session,
      `COPY (SELECT lsn, xid, data FROM pg_logical_slot_get_changes('${this.#slot}', NULL, NULL, ${options})) TO STDOUT`,
      sink,
    );
    const [row] = await this.#session.query<{ xmax: string }>(
      'SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS xmax',
    );
    const segment = { toXmax: row?.xmax ?? '', bytes: sink.content };
    this.captured.push(segment);
    return segment;
  }

  /** Commit times in the order of the text */
  commitTimes(): string[] {
    const text = this.captured.map(({ bytes }) => bytes.toString()).join('');
    return [...text.matchAll(/\tCOMMIT \d+ \(at ([^)]+)\)$/gm)].map(([, time = '']) => time);
  }

  /** Takes a backup; `during` runs after its snapshot was taken and before it is read. */
  async takeBase(during?: () => Promise<void>): Promise<Base> {
    const lead = await this.server.open(this.url);
    await applySettings(lead, 'UTF8');
    await lead.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const [exported] = await lead.query<{ id: string; snapshot: string }>(
      'SELECT pg_export_snapshot() AS id, pg_current_snapshot()::text AS snapshot',
    );
    if (exported === undefined) throw new Error('no snapshot');
    await during?.();
    const archive = path.join(this.#folder, `${exported.id}.dump`);
    await run(
      path.join(this.server.bin, 'pg_dump'),
      ['-Fc', '--load-via-partition-root', `--snapshot=${exported.id}`, '-f', archive],
      { env: environmentOf(this.url) },
    );
    const tables: TableEntry[] = [];
    for (const { oid, schema, name, columns, root = null, persistence } of await readTables(lead)) {
      const [counted] = await lead.query<{ rows: number }>(
        `SELECT count(*) AS rows FROM ONLY ${quote(schema)}.${quote(name)}`,
      );
      tables.push({
        ...{ oid, schema, name, columns: [...columns], root, persistence, rows: counted?.rows ?? 0 },
        ...{ relfilenode: 0, fingerprint: '', bytes: 0, ranges: [] },
      });
    }
    await lead.query('COMMIT');
    await lead.close();
    return { snapshot: exported.snapshot, tables, archive };
  }

  /** A new database with what the base holds, up to where changes are replayed. */
  async restore({ archive }: Base): Promise<Target> {
    const url = await this.server.createDatabase();
    const context = createContext({ temporaryFolder: mkdtempSync(path.join(this.#folder, 'lists-')) });
    const { major } = { major: Math.floor(this.#session.serverVersion / 10000) };
    const client = {
      ...{ major, version: String(major) },
      pgDump: path.join(this.server.bin, 'pg_dump'),
      pgRestore: path.join(this.server.bin, 'pg_restore'),
    };
    const settings = parseConnection('target-url', url, emptyContext);
    const restored = new ArchiveRestore(
      {
        ...{
          path: archive,
          client,
          settings,
          encoding: 'UTF8',
          searchPaths: { candidates: [], needed: undefined },
          jobs: 1,
          refusedExtensions: 'lost',
          extensionOwners: new Map(),
        },
        entries: await readContents(client, archive, [], context),
        env: environmentOf(url),
      },
      context,
    );
    const at = steps.indexOf('foreign keys');
    const runSteps = async (some: readonly Step[]) => {
      for (const step of some) if (restored.has(step)) await restored.run(step);
    };
    await runSteps(steps.slice(0, at));
    return { url, settings, finish: () => runSteps(steps.slice(at)) };
  }

  /** Restores the base, brings it forward, and ends the restore. */
  async recover(
    base: Base,
    overrides: Partial<ReplayRequest> = {},
  ): Promise<{ url: string; replayed: Replayed }> {
    const target = await this.restore(base);
    const replayed = await replayChanges(target.settings, this.request(base, overrides));
    await target.finish();
    return { url: target.url, replayed };
  }

  request(base: Base, overrides: Partial<ReplayRequest> = {}): ReplayRequest {
    return {
      segments: this.captured.map(({ toXmax, bytes }) => ({ toXmax, text: cut(bytes) })),
      snapshot: base.snapshot,
      until: '2999-01-01T00:00:00Z',
      encoding: 'UTF8',
      created: base.tables,
      present: [],
      uncovered: [],
      signal: new AbortController().signal,
      onProgress: () => undefined,
      ...overrides,
    };
  }

  /** All rows of a database, by table; of partitions whose rows may move, those of the whole. */
  async readRows(url = this.url): Promise<Record<string, string[]>> {
    const session = await this.server.open(url);
    await applySettings(session, 'UTF8');
    const names = new Set(
      (await readTables(session)).map(({ schema, name, root }) =>
        root ? `${quote(root.schema)}.${quote(root.name)}` : `ONLY ${quote(schema)}.${quote(name)}`,
      ),
    );
    const rows: Record<string, string[]> = {};
    for (const name of names) {
      const found = await session.query<{ row: string }>(
        `SELECT t::text AS row FROM ${name} AS t ORDER BY 1`,
      );
      rows[name] = found.map(({ row }) => row);
    }
    await session.close();
    return rows;
  }
}

interface Target {
  readonly url: string;
  readonly settings: ReturnType<typeof parseConnection>;
  /** Runs the steps of the restore that come after the changes. */
  finish(): Promise<void>;
}

export function databaseOf(url: string): string {
  return parse(new URL(url).pathname).base;
}

function environmentOf(url: string): ToolEnvironment {
  return clientEnvironment(parseConnection('target-url', url, emptyContext), process.env, () => '');
}

async function* cut(bytes: Buffer): AsyncGenerator<Buffer> {
  const size = 100_003;
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

class CollectingSink implements RowSink {
  buffer: Buffer = Buffer.alloc(1 << 20);
  length = 0;
  readonly #chunks: Buffer[] = [];
  async flush(): Promise<void> {
    this.#chunks.push(Buffer.from(this.buffer.subarray(0, this.length)));
    this.length = 0;
  }
  endCopy(): void {
    this.#chunks.push(Buffer.from(this.buffer.subarray(0, this.length)));
    this.length = 0;
  }
  get content(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}
