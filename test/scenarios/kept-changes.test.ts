import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import type { Manifest } from '../../src/format/manifest.ts';
import type { InputName } from '../../src/interface/inputs/schema.ts';
import type { Outcome } from '../../src/interface/outcome.ts';
import { renderText } from '../../src/report/text.ts';
import { writeManifest } from '../../src/repository/backups/manifests.ts';
import { type Segment, segmentKey, writeSegment } from '../../src/repository/changes/segments.ts';
import { createEncoder } from '../../src/repository/objects/codec.ts';
import { createNaming, objectKey } from '../../src/repository/objects/store.ts';
import { openForBackup, type Repository } from '../../src/repository/open.ts';
import { appendRecord, readRecords } from '../../src/repository/records.ts';
import { chooseRecovery } from '../../src/restorer/choose.ts';
import { FileStorage } from '../../src/storage/file.ts';
import { formatLsn } from '../../src/values/lsn.ts';
import { createBackupId } from '../../src/values/timed-id.ts';
import { makeSegment } from '../repository/changes-example.ts';
import { makeManifest, onlyMaker, source } from '../repository/example.ts';
import { presentContext } from '../support/context.ts';
import { operate } from './in-process.ts';
import { flipBit, listFolder } from './repository-folder.ts';

/* Captured changes that lie in a repository: what validate, cleanup, status and list make of them. No server is needed for it. */

const hour = 3_600_000;
const day = 24 * hour;
const folder = mkdtempSync(join(tmpdir(), 'kept-changes-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const start = Date.now();
let made = 0;
let root: string;
let repository: Repository;
let messages: string[];
beforeEach(async () => {
  root = join(folder, `repository-${made++}`);
  repository = await openForBackup(
    new FileStorage(root, presentContext),
    undefined,
    source,
    new Date(start),
    onlyMaker,
  );
  messages = [];
});

const run = (inputs: Partial<Record<InputName, string>>): Promise<Outcome> =>
  operate({ now: () => new Date() }, { storage: root, ...inputs }, { messages });
const textOf = ({ report }: Outcome) => renderText(report);
/** So many hours ago, with microseconds */
const ago = (hours: number) => new Date(start - hours * hour).toISOString().replace('Z', '123Z');
/** Positions and transaction numbers grow by 16 and 10 an hour, counted from so many hours ago. */
const positionAt = (hoursAgo: number) => formatLsn(BigInt(Math.round((2000 - hoursAgo) * 16)));
const numberAt = (hoursAgo: number) => String(Math.round((2000 - hoursAgo) * 10));

/** The text of a transaction that was committed within the hour that ended so many hours ago */
function makeText(hoursAgo: number): string {
  const [end, xid] = [positionAt(hoursAgo + 0.5), Number(numberAt(hoursAgo + 0.5))];
  return [
    `${positionAt(hoursAgo + 1)}\t${xid}\tBEGIN ${xid}`,
    `${positionAt(hoursAgo + 1)}\t${xid}\ttable public.t: INSERT: id[integer]:1 note[text]:'BEGIN 7\\nCOMMIT'`,
    `${end}\t${xid}\tCOMMIT ${xid} (at ${ago(hoursAgo + 0.5)
      .replace('T', ' ')
      .replace('Z', '+00')})`,
    '',
  ].join('\n');
}

/** The changes of the hour that ended so many hours ago. */
async function storeChanges(
  hoursAgo: number,
  texts: readonly string[] = [makeText(hoursAgo)],
  overrides: Partial<Segment> = {},
): Promise<Segment> {
  const recipients = overrides.encryption?.scheme === 'age' ? overrides.encryption.recipients : [];
  const objects: Segment['objects'] = [];
  for (const text of texts) {
    const plaintext = Buffer.from(text);
    const name = createNaming(repository.key, recipients)(plaintext);
    const stored = await createEncoder(recipients, 3)(plaintext);
    await repository.storage.put(objectKey(name), stored);
    const sha256 = createHash('sha256').update(stored).digest('hex');
    objects.push({ name, bytes: plaintext.length, stored: stored.length, sha256 });
  }
  const segment = makeSegment({
    from: positionAt(hoursAgo + 1),
    to: positionAt(hoursAgo),
    fromXmax: numberAt(hoursAgo + 1),
    toXmax: numberAt(hoursAgo),
    through: ago(hoursAgo),
    firstCommitAt: ago(hoursAgo + 0.5),
    lastCommitAt: ago(hoursAgo + 0.5),
    transactions: 1,
    changes: 1,
    objects,
    ...overrides,
  });
  await writeSegment(repository, segment);
  const time = (start - hoursAgo * hour) / 1000;
  utimesSync(join(root, segmentKey(segment)), time, time);
  return segment;
}

/** A backup whose content nobody can open here, because it is encrypted for somebody else. */
async function storeBackup(
  hoursAgo: number,
  position: Partial<Manifest['source']> = {},
  overrides: Partial<Manifest> = {},
): Promise<string> {
  const at = new Date(start - hoursAgo * hour);
  const example = makeManifest();
  const manifest = makeManifest({
    id: createBackupId(at),
    startedAt: at.toISOString(),
    finishedAt: at.toISOString(),
    source: {
      ...example.source,
      snapshotAt: ago(hoursAgo),
      snapshot: `${numberAt(hoursAgo)}:${numberAt(hoursAgo)}:`,
      lsn: positionAt(hoursAgo),
      ...position,
    },
    encryption: { scheme: 'age', recipients: ['age1somebody'] },
    objects: [],
    tables: [],
    archive: { bytes: 0, objects: [] },
    ...overrides,
  });
  await writeManifest(repository, manifest);
  return manifest.id;
}

const storedKeys = (prefix: string) => Object.keys(listFolder(root)).filter((key) => key.startsWith(prefix));

function readRecord(kind: string): Record<string, unknown> {
  const [name = ''] = readdirSync(join(root, 'records', kind))
    .sort()
    .slice(-1);
  return JSON.parse(readFileSync(join(root, 'records', kind, name), 'utf8')).content;
}

describe('validate', () => {
  test('reads all segments with all backups, those that the newest needs with it, and none with one', async () => {
    for (const hours of [4, 3, 2, 1]) await storeChanges(hours);
    const id = await storeBackup(2.5);
    const all = await run({ operation: 'validate' });
    expect(all).toMatchObject({ exitCode: 0, outputs: { backups: 1, 'objects-checked': 4, damaged: 0 } });
    expect(textOf(all)).toMatch(/segments of captured changes +4/);
    const latest = await run({ operation: 'validate', 'backup-id': 'latest' });
    expect(latest.outputs).toMatchObject({ 'objects-checked': 2 });
    const one = await run({ operation: 'validate', 'backup-id': id });
    expect(one.outputs).toMatchObject({ 'objects-checked': 0 });
    expect(textOf(one)).not.toContain('segments');
  });

  test('names what is lost with a damaged object, and blames no backup', async () => {
    const id = await storeBackup(3.5);
    await storeChanges(3);
    const segment = await storeChanges(2);
    const [object] = segment.objects;
    flipBit(join(root, objectKey(object?.name ?? '')));
    const outcome = await run({ operation: 'validate' });
    expect(outcome).toMatchObject({ exitCode: 3, outputs: { damaged: 0 } });
    const text = textOf(outcome);
    expect(text).toContain(
      `changes ${segment.from} to ${segment.to} (${segment.firstCommitAt} – ${segment.lastCommitAt})`,
    );
    expect(text).toMatch(/damaged segments +1/);
    expect(readRecord('validations')).toEqual({
      share: 1,
      backups: [{ id, outcome: 'passed', opened: false }],
      damagedObjects: [object?.name],
      damagedSegments: [{ key: segmentKey(segment), part: 'objects' }],
    });
  });

  test('names a damaged header', async () => {
    await storeBackup(3.5);
    const key = segmentKey(await storeChanges(3));
    flipBit(join(root, key));
    const outcome = await run({ operation: 'validate' });
    expect(outcome.exitCode).toBe(3);
    expect(textOf(outcome)).toContain(`changes ${key}`);
    expect(textOf(outcome)).toMatch(/damaged segments +1/);
  });

  const whole = makeText(2);
  const [begin = '', insert = '', commit = ''] = whole.split('\n');
  test.each([
    ['no transactions', [], { transactions: 0, firstCommitAt: null, lastCommitAt: null }],
    ['a transaction in two objects', [`${begin}\n`, `${insert}\n${commit}\n`], {}],
  ])('accepts %s', async (_, texts, overrides) => {
    await storeChanges(2, texts, overrides);
    expect(await run({ operation: 'validate' })).toMatchObject({ exitCode: 0 });
  });

  test.each([
    ['a transaction without its end', [begin, insert], 'its last transaction has no COMMIT'],
    ['a change in no transaction', [insert, begin, commit], 'is in no transaction'],
    ['an end without a beginning', [commit], 'is in no transaction'],
    ['a beginning within another', [begin, begin, commit], 'begins a transaction within another'],
    [
      'another transaction in between',
      [begin, insert.replace(/\t\d+\t/, '\t1\t'), commit],
      'is in no transaction',
    ],
    ['a number that is another', [begin.replace(/BEGIN \d+/, 'BEGIN 1'), commit], 'names two transactions'],
    ['one transaction too many', [begin, commit, begin, commit], 'it has 2 transactions instead of 1'],
    ['none', [], 'it has 0 transactions instead of 1'],
    [
      'an end behind its own',
      [begin, commit.replace(/^\S+/, positionAt(1.9))],
      'was committed outside of it',
    ],
    [
      'an end before it begins',
      [begin, commit.replace(/^\S+/, positionAt(3))],
      'was committed outside of it',
    ],
    ['two columns', [begin, insert.replace('\t', ' '), commit], 'a row'],
    ['an open row', [begin, commit, 'x'], 'row'],
  ])('finds %s', async (_, lines, says) => {
    const isOpen = lines.at(-1) === 'x';
    const text = lines
      .map((line, index) => (isOpen && index === lines.length - 1 ? line : `${line}\n`))
      .join('');
    const segment = await storeChanges(2, text === '' ? [] : [text]);
    const outcome = await run({ operation: 'validate' });
    expect(outcome).toMatchObject({ exitCode: 3, outputs: { damaged: 0 } });
    expect(textOf(outcome)).toContain(`changes ${segment.from} to ${segment.to}`);
    expect(textOf(outcome)).toContain(says);
  });

  test('opens encrypted changes with the identity, and hashes them without', async () => {
    const identity = await generateIdentity();
    const encryption = { scheme: 'age' as const, recipients: [await identityToRecipient(identity)] };
    await storeChanges(2, [insert], { encryption });
    expect(await run({ operation: 'validate' })).toMatchObject({ exitCode: 0 });
    expect(messages.join()).toContain('only by the hashes of their stored bytes');
    const opened = await run({ operation: 'validate', 'encryption-identity': identity });
    expect(opened.exitCode).toBe(3);
    expect(textOf(opened)).toContain('within a row');
  });
});

describe('cleanup', () => {
  const words = { operation: 'cleanup', retention: 'daily=2 verified=1', 'keep-changes': '2d' };

  test('removes what no backup that stays needs for the last days, and says what can be recovered', async () => {
    await storeBackup(100);
    await storeBackup(60);
    await storeBackup(1.5);
    const [a, b, c, d] = [
      await storeChanges(99),
      await storeChanges(61),
      await storeChanges(60),
      await storeChanges(59),
    ];
    const rest = [];
    for (let hours = 58; hours >= 1; hours--) rest.push(await storeChanges(hours));
    const before = listFolder(root);
    const foreseen = await run({ ...words, 'dry-run': 'true' });
    expect(listFolder(root)).toEqual(before);
    const outcome = await run(words);
    expect(outcome).toMatchObject({ exitCode: 0, outputs: { backups: 2, removed: 1, 'marked-objects': 3 } });
    expect(foreseen.outputs).toEqual(outcome.outputs);
    expect(storedKeys('changes/')).toEqual(
      [d, ...rest].map((segment) => segmentKey(segment as Segment)).sort(),
    );
    const text = textOf(outcome);
    expect(text).toMatch(/segments of changes that stay +59/);
    expect(text).toMatch(/segments of changes removed +3/);
    const [from, to] = [new Date(start - 60 * hour), new Date(start - hour)];
    const second = (time: Date, add: number) =>
      new Date(Math.floor(time.getTime() / 1000 + add) * 1000)
        .toISOString()
        .replace('T', ' ')
        .replace('.000', '');
    expect(text).toContain(`${second(from, 1)} to ${second(to, 0)}`);
    expect(textOf(foreseen)).toContain(`${second(from, 1)} to ${second(to, 0)}`);
    expect(readRecord('prunes')).toMatchObject({ segments: 3 });
    expect([a, b, c].some((segment) => storedKeys('changes/').includes(segmentKey(segment as Segment)))).toBe(
      false,
    );
    expect(await run({ operation: 'validate' })).toMatchObject({ exitCode: 0 });
  });

  test('keeps a backup that the policy does not, when only it leads into the last days', async () => {
    await storeBackup(100);
    const needed = await storeBackup(60);
    // Only its id means it.
    await storeBackup(55, {}, { purpose: 'safety', pin: true });
    await storeBackup(30);
    await storeBackup(1.5);
    for (let hours = 60; hours >= 1; hours--) await storeChanges(hours);
    const outcome = await run({ ...words, retention: 'last=1 verified=1' });
    expect(outcome).toMatchObject({ outputs: { backups: 3, removed: 2 } });
    expect(textOf(outcome)).toMatch(new RegExp(`${needed} .* keep\\n[^]*${needed} +keep-changes`));
    expect(storedKeys('backups/')).toContain(`backups/${needed}.json`);
    expect(await run({ ...words, retention: 'last=1 verified=1' })).toMatchObject({
      outputs: { removed: 0 },
    });
  });

  test('takes a backup for an ordinary one although it is labelled like a safety backup', async () => {
    const unneeded = await storeBackup(60);
    await storeBackup(55, {}, { label: 'before restore of 20261120T021700Z-7f3a', pin: true });
    await storeBackup(1.5);
    for (let hours = 60; hours >= 1; hours--) await storeChanges(hours);
    const outcome = await run({ ...words, retention: 'last=1 verified=1' });
    expect(outcome).toMatchObject({ outputs: { backups: 2, removed: 1 } });
    expect(storedKeys('backups/')).not.toContain(`backups/${unneeded}.json`);
  });

  test('removes nothing while a segment is damaged, and says which', async () => {
    await storeBackup(100);
    await storeBackup(1.5);
    await storeChanges(99);
    const key = segmentKey(await storeChanges(98));
    flipBit(join(root, key));
    const before = listFolder(root);
    for (const dry of ['true', 'false']) {
      const outcome = await run({ ...words, retention: 'last=1 verified=1', 'dry-run': dry });
      expect(outcome).toMatchObject({ exitCode: 3, outputs: { removed: 0 } });
      expect(textOf(outcome)).toContain(key);
      expect(textOf(outcome)).toMatch(/Nothing (was|would be) removed/);
    }
    rmSync(join(root, 'records'), { recursive: true, force: true });
    expect(listFolder(root)).toEqual(before);
  });

  test('keeps foreign files among the changes, and what was stored lately whatever time it tells', async () => {
    await storeBackup(1.5);
    for (const hours of [90, 89, 88]) await storeChanges(hours);
    const copied = await storeChanges(91);
    const now = Date.now() / 1000;
    utimesSync(join(root, segmentKey(copied)), now, now);
    writeFileSync(join(root, 'changes', 'notes.txt'), 'mine');
    await run(words);
    const left = storedKeys('changes/');
    expect(left).toContain('changes/notes.txt');
    expect(left).toContain(segmentKey(copied));
    // And the newest, from which the next capture goes on.
    expect(left).toHaveLength(3);
  });
});

describe('status and list', () => {
  test('tell what can be recovered, and since when not', async () => {
    const definitions = '1'.repeat(64);
    await storeBackup(30.5);
    await storeBackup(20.5, { definitions });
    for (let hours = 30; hours >= 22; hours--) await storeChanges(hours);
    await storeChanges(21, undefined, { definitions, barrier: 'definitions were changed' });
    for (let hours = 20; hours >= 1; hours--) await storeChanges(hours, undefined, { definitions });
    const status = await run({ operation: 'status', 'max-age': '2h' });
    expect(status).toMatchObject({
      exitCode: 0,
      outputs: { status: 'healthy', 'recoverable-from': ago(20.5), 'recoverable-to': ago(1) },
    });
    expect(textOf(status)).toMatch(/nothing was captured since/);
    expect(textOf(status)).toMatch(/definitions were changed/);
    expect(textOf(status)).toContain('WARNING: the newest backup is');
    const list = await run({ operation: 'list' });
    expect(list.exitCode).toBe(0);
    expect(textOf(list)).toMatch(/Any point in time can be recovered from \S+ \S+Z to \S+ \S+Z, and from/);
  });

  test('pass over damaged changes and those of the future, and say so', async () => {
    await storeBackup(5.5);
    for (const hours of [5, 4, 2, 1]) await storeChanges(hours);
    flipBit(join(root, segmentKey(await storeChanges(3))));
    const later = new Date(start + day).toISOString();
    await storeChanges(0, undefined, { through: later });
    const status = await run({ operation: 'status', 'max-age': '5h' });
    expect(status.outputs).toMatchObject({ status: 'healthy', 'recoverable-to': ago(4) });
    expect(textOf(status)).toContain('WARNING: these captured changes are damaged');
    expect(textOf(status)).toMatch(/the changes between \S+ and \S+ of the write-ahead log are missing/);
    expect(messages.join()).toContain('dated in the future');
  });

  test('say of changes that fit no backup that they do', async () => {
    await storeBackup(0.5, { timeline: 2 });
    await storeChanges(1);
    expect(textOf(await run({ operation: 'list' }))).toContain('fit none of these backups');
    const status = await run({ operation: 'status' });
    expect(status.outputs).toMatchObject({ 'recoverable-from': ago(0.5), 'recoverable-to': ago(0.5) });
  });

  test('say nothing of them where nothing was captured', async () => {
    await storeBackup(0.5);
    expect(textOf(await run({ operation: 'list' }))).not.toMatch(/point in time/);
    expect(textOf(await run({ operation: 'status' }))).not.toMatch(/point in time/);
  });
});

describe('changes that a validation found damaged', () => {
  const validate = { operation: 'validate' };
  const found = () => run({ operation: 'status', 'max-age': '4h' });

  /** The changes of the last five hours, those of the hour that ended two hours ago damaged */
  async function damage(): Promise<{ damaged: Segment; file: string }> {
    await storeBackup(5.5);
    for (const hours of [6, 5, 4, 3]) await storeChanges(hours);
    const damaged = await storeChanges(2);
    await storeChanges(1);
    const file = join(root, objectKey(damaged.objects[0]?.name ?? ''));
    flipBit(file);
    return { damaged, file };
  }

  test('end what can be recovered, with the reason, until a whole validation finds them whole', async () => {
    const { damaged, file } = await damage();
    expect((await found()).outputs).toMatchObject({ 'recoverable-to': ago(1) });
    expect(await run(validate)).toMatchObject({ exitCode: 3 });
    const status = await found();
    expect(status.outputs).toMatchObject({ status: 'healthy', 'recoverable-to': ago(3) });
    const text = textOf(status);
    expect(text).toContain(`WARNING: these captured changes are damaged`);
    expect(text).toContain(segmentKey(damaged));
    expect(text).toContain(`validate found damage in ${segmentKey(damaged)}`);
    expect(text).toMatch(
      new RegExp(
        `the changes between ${damaged.from} and ${damaged.to} of the write-ahead log were found damaged`,
      ),
    );
    messages.length = 0;
    await run({ operation: 'list' });
    expect(messages.join()).toContain(`${segmentKey(damaged)} was found damaged by the validation of`);
    flipBit(file);
    // It may not have looked where the damage was.
    await run({ ...validate, share: '99%' });
    expect((await found()).outputs).toMatchObject({ 'recoverable-to': ago(3) });
    expect(await run(validate)).toMatchObject({ exitCode: 0 });
    const records = await readRecords(repository, 'validations', (error) => expect.fail(error.message));
    expect(records.at(-1)?.content.retracted?.segments).toEqual([segmentKey(damaged)]);
    const mended = await found();
    expect(mended.outputs).toMatchObject({ 'recoverable-to': ago(1) });
    expect(textOf(mended)).not.toContain('these captured changes are damaged');
  });

  test('are told of a record of before segments were recorded by its objects', async () => {
    const { damaged } = await damage();
    await appendRecord(repository, 'validations', new Date(start), {
      ...{ share: 1, backups: [], damagedObjects: damaged.objects.map(({ name }) => name) },
    });
    const status = await found();
    expect(status.outputs).toMatchObject({ 'recoverable-to': ago(3) });
    expect(textOf(status)).toContain(segmentKey(damaged));
  });

  test('stay damaged where their contents are, until they are opened', async () => {
    const identity = await generateIdentity();
    const encryption = { scheme: 'age' as const, recipients: [await identityToRecipient(identity)] };
    await storeBackup(3.5);
    await storeChanges(4);
    await storeChanges(3);
    const damaged = await storeChanges(2, [makeText(2).split('\n')[0] ?? ''], { encryption });
    await run({ ...validate, 'encryption-identity': identity });
    const part = { key: segmentKey(damaged), part: 'contents' };
    expect(readRecord('validations')).toMatchObject({ damagedSegments: [part] });
    expect(await run(validate)).toMatchObject({ exitCode: 0 });
    expect((await found()).outputs).toMatchObject({ 'recoverable-to': ago(3) });
  });

  test('refuse a restore beyond them when it chooses its backup, and name the nearest time', async () => {
    const { damaged } = await damage();
    const choose = (recoveryTargetTime: string) => {
      const choice = { backupId: 'latest', recoveryTargetTime, encryptionIdentity: [] };
      return chooseRecovery(repository, choice, 1, presentContext);
    };
    expect(await choose(ago(1.5))).toHaveLength(1);
    await run(validate);
    await expect(choose(ago(1.5))).rejects.toMatchObject({
      name: 'ConfigurationError',
      message: expect.stringContaining(
        `the changes between ${damaged.from} and ${damaged.to} of the write-ahead log were found damaged`,
      ),
      next: expect.stringContaining(`${ago(3)} (before it)`),
    });
    expect(await choose('latest')).toMatchObject([{ recovery: { until: ago(3) } }]);
  });

  test('end nothing of a backup that was taken after them', async () => {
    await damage();
    await storeBackup(1.5);
    await run(validate);
    const status = await found();
    expect(status.outputs).toMatchObject({ 'recoverable-from': ago(1.5), 'recoverable-to': ago(1) });
  });

  test('cost no backup: cleanup keeps what leads on from after them, and what would if they were whole', async () => {
    const words = { operation: 'cleanup', retention: 'last=1 verified=1', 'keep-changes': '2d' };
    const oldest = await storeBackup(60.5);
    const after = await storeBackup(20.5);
    const newest = await storeBackup(1.5);
    for (let hours = 61; hours >= 1; hours--) await storeChanges(hours);
    expect((await run({ ...words, 'dry-run': 'true' })).outputs).toMatchObject({ backups: 2, removed: 1 });
    const damaged = await appendDamage(30);
    const outcome = await run(words);
    expect(outcome).toMatchObject({ exitCode: 0, outputs: { backups: 3, removed: 0 } });
    expect(storedKeys('backups/')).toEqual([oldest, after, newest].map((id) => `backups/${id}.json`));
    expect(storedKeys('changes/')).toContain(damaged);
  });

  /** Records that the changes of the hour that ended so many hours ago are damaged. */
  async function appendDamage(hoursAgo: number): Promise<string> {
    const { chain } = makeSegment();
    const key = segmentKey({ chain, from: positionAt(hoursAgo + 1), to: positionAt(hoursAgo) });
    await appendRecord(repository, 'validations', new Date(start), {
      ...{ share: 1, backups: [], damagedObjects: [], damagedSegments: [{ key, part: 'contents' }] },
    });
    return key;
  }
});
