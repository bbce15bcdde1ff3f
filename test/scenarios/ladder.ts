import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Manifest } from '../../src/format/manifest.ts';
import { openRepository } from '../../src/repository/open.ts';
import { openSealed, sealContent } from '../../src/repository/signature.ts';
import { openStorage } from '../../src/storage/open.ts';
import { compareData, type DataDump, dumpData, dumpSchema } from '../fixture/dump.ts';
import { presentContext } from '../support/context.ts';
import { readPrinted } from '../support/printed-json.ts';
import { type Finished, type Running, runCli, startCli } from '../support/run-cli.ts';
import { createDatabase } from './shop.ts';

export interface LadderServer {
  readonly superuserUrl: string;
  /** Folder of pg_dump and pg_restore of the server's major */
  readonly bin: string;
}

/** A restore point as its manifest and the outputs of its run tell it. */
export interface Rung {
  readonly id: string;
  readonly manifest: Manifest;
  readonly outputs: Readonly<Record<string, string | number>>;
  readonly run: Finished;
}

export interface Expectation {
  /** Default: incremental */
  readonly kind?: 'incremental' | 'full';
  /** What fullBecause says */
  readonly because?: RegExp;
  /** Tables of which nothing was taken over; `schema.` may be left out for public */
  readonly read?: readonly string[];
  /** Tables of which everything was taken over */
  readonly reused?: readonly string[];
  /** Tables of which some ranges were taken over and some were not */
  readonly partly?: readonly string[];
}

export interface Restored {
  /** URL of the restored database, which is there until the next restore */
  readonly target: string;
  readonly data: readonly string[];
  readonly schema: { readonly source: string; readonly restored: string };
}

/**
 * One database, one repository, and restore points one upon another. Each is restored into an empty database and compared with the
 * source by what pg_dump, which knows nothing of us, writes of both.
 */
export class Ladder {
  readonly server: LadderServer;
  readonly storage: string;
  /** The newest restore point; each new one is expected to be built upon it */
  latest: Rung | undefined;
  /** Options and variables of every run */
  words: readonly string[] = [];
  env: Readonly<Record<string, string>> = {};
  source: string;
  readonly #target: string;

  constructor(server: LadderServer, source: string, storage = mkdtempSync(join(tmpdir(), 'ladder-'))) {
    this.server = server;
    this.source = source;
    this.storage = storage;
    this.#target = `restored_${Math.random().toString(36).slice(2)}`;
  }

  /** Takes a backup that has to succeed. */
  async take(type: 'full' | 'incremental' | 'schema', words: readonly string[] = []): Promise<Rung> {
    await this.#passSecond();
    const run = await this.run(type, words);
    if (run.exitCode !== 0) throw new Error(`the backup ended with ${run.exitCode}:\n${run.stderr}`);
    return this.describe(run);
  }

  /** Ids sort by second; the newest has to be the last. */
  async #passSecond(): Promise<void> {
    const second = () => new Date().toISOString().replace(/[-:]|\.\d+/g, '');
    while (this.latest !== undefined && second() <= this.latest.id.slice(0, 16)) await sleep(20);
  }

  run(type: 'full' | 'incremental' | 'schema', words: readonly string[] = []): Promise<Finished> {
    return this.start(type, words).finished;
  }

  start(type: 'full' | 'incremental' | 'schema', words: readonly string[] = []): Running {
    const options = ['--storage', this.storage, '--client-path', this.server.bin, '--backup-type', type];
    return startCli(['backup', '--json', ...options, ...this.words, ...words], {
      env: { SUPABASE_BACKUP_DATABASE_URL: this.source, ...this.env },
    });
  }

  /** What a run that wrote a manifest has stored; it becomes the newest. */
  describe(run: Finished): Rung {
    const outputs = readPrinted(run.stdout).outputs;
    const id = String(outputs['backup-id']);
    this.latest = { id, outputs, run, manifest: this.readManifest(id) };
    return this.latest;
  }

  readManifest(id: string): Manifest {
    return JSON.parse(readFileSync(join(this.storage, 'backups', `${id}.json`), 'utf8')) as Manifest;
  }

  /** Takes an incremental backup, and expects it to have read and not read what it should. */
  async step(expected: Expectation = {}, words: readonly string[] = []): Promise<Rung> {
    const base = this.latest;
    if (base === undefined) throw new Error('there is no base yet');
    const rung = await this.take('incremental', words);
    expectRung(rung, base, expected);
    return rung;
  }

  /** Restores a backup, the newest without an id, and returns the URL of the database. */
  async restore(id = 'latest', words: readonly string[] = []): Promise<string> {
    const target = await createDatabase(this.server.superuserUrl, this.#target);
    const options = ['--storage', this.storage, '--client-path', this.server.bin, '--backup-id', id];
    const run = await runCli(['restore', ...options, ...words], {
      env: { SUPABASE_BACKUP_TARGET_URL: target, ...this.env },
    });
    expect(run, `${run.stdout}${run.stderr}`).toMatchObject({ exitCode: 0 });
    return target;
  }

  /**
   * Restores the newest backup and compares all that pg_dump writes of the source, as it is now, with the restored database.
   *
   * @param adjust gets the restored database before it is compared
   */
  async expectRestored(adjust?: (target: string) => Promise<unknown>): Promise<void> {
    const { data, schema } = await this.compareRestored(adjust);
    expect(data).toEqual([]);
    expect(schema.restored).toBe(schema.source);
  }

  /** As `expectRestored`, for whoever judges the differences: those of the rows, one line each, and both texts of the definitions. */
  async compareRestored(adjust?: (target: string) => Promise<unknown>): Promise<Restored> {
    const target = await this.restore();
    await adjust?.(target);
    const { bin } = this.server;
    const both = [this.source, target];
    const [[one, other], [source = '', restored = '']] = await Promise.all([
      Promise.all(both.map((url) => dumpData(url, bin))),
      Promise.all(both.map((url) => dumpSchema(url, bin))),
    ]);
    return { target, data: compareData(one as DataDump, other as DataDump), schema: { source, restored } };
  }

  /** A step, and its restore. */
  async climb(expected: Expectation = {}, words: readonly string[] = []): Promise<Rung> {
    const rung = await this.step(expected, words);
    await this.expectRestored();
    return rung;
  }

  /** Rewrites a manifest and seals it again: a base that differs from the true one in what a test wants to take out of the way. */
  async amend(id: string, change: (manifest: Manifest) => void): Promise<void> {
    const storage = await openStorage(this.storage, {}, presentContext);
    const repository = await openRepository(storage, undefined);
    const file = join(this.storage, 'backups', `${id}.json`);
    const manifest = JSON.parse(openSealed(repository, 'manifest', readFileSync(file))) as Manifest;
    change(manifest);
    writeFileSync(file, sealContent(repository, 'manifest', manifest));
    await storage.close();
  }

  [Symbol.dispose](): void {
    rmSync(this.storage, { recursive: true, force: true });
  }
}

/** Expects a restore point to have read and not read what it should. */
export function expectRung(
  rung: Rung,
  base: Rung,
  { kind = 'incremental', because, ...tables }: Expectation,
): void {
  const { manifest } = rung;
  expect(
    { kind: manifest.kind, because: manifest.fullBecause, base: manifest.base },
    rung.run.stderr,
  ).toEqual({
    kind,
    because: because === undefined ? null : expect.stringMatching(because),
    base: kind === 'incremental' ? base.id : null,
  });
  const { read = [], reused = [], partly = [] } = tables;
  if (reused.length + partly.length > 0) expect(rung.outputs['reused-share']).toBeGreaterThan(0);
  const told = Object.fromEntries(
    [...read, ...reused, ...partly].map((name) => [name, describeReuse(rung, base, name)]),
  );
  expect(told).toEqual(
    Object.fromEntries([
      ...read.map((name) => [name, 'read']),
      ...reused.map((name) => [name, 'reused']),
      ...partly.map((name) => [name, 'partly']),
    ]),
  );
}

/** A range that was counted and taken over tells the places of its rows, and points where the one of its base does. */
export function describeReuse(rung: Rung, base: Rung, name: string): 'read' | 'reused' | 'partly' | 'absent' {
  const [schema, table] = name.includes('.') ? name.split('.') : ['public', name];
  const find = ({ manifest }: Rung) =>
    manifest.tables.find((entry) => entry.schema === schema && entry.name === table);
  const entry = find(rung);
  if (entry === undefined) return 'absent';
  const before = new Set(find(base)?.ranges.map((range) => describeRange(base.manifest, range)));
  const kept = entry.ranges.filter(
    (range) => range.places !== null && before.has(describeRange(rung.manifest, range)),
  );
  if (kept.length === 0) return 'read';
  return kept.length === entry.ranges.length ? 'reused' : 'partly';
}

function describeRange(manifest: Manifest, range: Manifest['tables'][number]['ranges'][number]): string {
  const pieces = range.pieces.map((piece) => [
    manifest.objects[piece.object]?.name,
    piece.offset,
    piece.length,
  ]);
  return JSON.stringify([range.from, range.to, range.rows, pieces]);
}
