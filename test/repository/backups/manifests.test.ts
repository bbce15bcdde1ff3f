import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Manifest } from '../../../src/format/manifest.ts';
import { chooseBackup } from '../../../src/repository/backups/choose.ts';
import {
  listBackupIds,
  manifestKey,
  readManifest,
  readOutline,
  writeManifest,
} from '../../../src/repository/backups/manifests.ts';
import type { Repository } from '../../../src/repository/open.ts';
import { ConfigurationError, IntegrityError, StorageError } from '../../../src/runtime/errors.ts';
import { createBackupId } from '../../../src/values/timed-id.ts';
import { createRepository, makeManifest } from '../example.ts';

let repository: Repository;
const manifest = makeManifest();
const key = manifestKey(manifest.id);

beforeEach(async () => {
  repository = await createRepository();
});

/** Seals content as `writeManifest` does: what is wrong with it then is not its seal. */
async function store(id: string, content: unknown): Promise<void> {
  const text = JSON.stringify(content);
  const seal = createHmac('sha256', repository.key).update('manifest\0').update(text).digest('hex');
  await repository.storage.put(manifestKey(id), Buffer.from(`${text.slice(0, -1)},"seal":"${seal}"}\n`));
}

describe('a backup id', () => {
  it('sorts by time and is the manifest’s own format', () => {
    const id = createBackupId(new Date('2026-11-20T02:17:00.999Z'));
    expect(id).toMatch(/^20261120T021700Z-[0-9a-f]{4}$/);
    expect(createBackupId(new Date('2026-11-20T02:17:01Z')) > id).toBe(true);
    const ids = Array.from({ length: 1000 }, (_, ms) =>
      createBackupId(new Date(Date.UTC(2026, 10, 20) + ms)),
    );
    expect(ids).toEqual(ids.toSorted());
    for (const each of ids) expect(each).toMatch(/^20261120T000000Z-[0-9a-f]{4}$/);
  });
});

describe('a manifest', () => {
  it('comes back as it was written', async () => {
    await writeManifest(repository, manifest);
    expect(await readManifest(repository, manifest.id)).toEqual(manifest);
  });

  it('is JSON that other programs read', async () => {
    await writeManifest(repository, manifest);
    const text = (await repository.storage.get(key)).toString();
    const { seal, ...content } = JSON.parse(text);
    expect(content).toEqual(manifest);
    expect(seal).toMatch(/^[0-9a-f]{64}$/);
  });

  it('is never replaced', async () => {
    await writeManifest(repository, manifest);
    await expect(writeManifest(repository, makeManifest({ label: 'other' }))).rejects.toThrow(StorageError);
    expect((await readManifest(repository, manifest.id)).label).toBe(manifest.label);
  });

  it('that is not there is a wrong id', async () => {
    await expect(readManifest(repository, manifest.id)).rejects.toThrow(ConfigurationError);
  });

  it('cut off at any place is damaged', async () => {
    await writeManifest(repository, manifest);
    const bytes = await repository.storage.get(key);
    // The last byte is a line break that says nothing.
    for (let length = 0; length < bytes.length - 1; length += 7) {
      await repository.storage.put(key, bytes.subarray(0, length));
      await expect(readManifest(repository, manifest.id)).rejects.toThrow(IntegrityError);
    }
    for (let length = bytes.length - 100; length < bytes.length - 1; length++) {
      await repository.storage.put(key, bytes.subarray(0, length));
      await expect(readManifest(repository, manifest.id)).rejects.toThrow(IntegrityError);
    }
  });

  it('with any one byte changed is damaged', async () => {
    await writeManifest(repository, manifest);
    const bytes = await repository.storage.get(key);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] as number) ^ change;
        await repository.storage.put(key, changed);
        await expect(readManifest(repository, manifest.id)).rejects.toThrow(IntegrityError);
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    [
      'another seal in front of its own',
      (text: string) => text.replace(/,"seal"/, `,"seal":"${'0'.repeat(64)}","seal"`),
    ],
    ['something behind its seal', (text: string) => `${text.trimEnd()} `],
    ['a byte order mark', (text: string) => `\ufeff${text}`],
    ['nothing but a seal', () => `{"x":1,"seal":"${'0'.repeat(64)}"}\n`],
    ['no text', () => ''],
  ])('with %s is damaged', async (_what, change) => {
    await writeManifest(repository, manifest);
    await repository.storage.put(key, Buffer.from(change((await repository.storage.get(key)).toString())));
    await expect(readManifest(repository, manifest.id)).rejects.toThrow(IntegrityError);
  });

  it('sealed by another repository is damaged', async () => {
    const other = await createRepository();
    await writeManifest(other, manifest);
    await repository.storage.put(key, await other.storage.get(key));
    await expect(readManifest(repository, manifest.id)).rejects.toThrow(/seal does not match/);
  });

  it('put in the place of another is damaged', async () => {
    await store('20261120T021701Z-0000', manifest);
    await expect(readManifest(repository, '20261120T021701Z-0000')).rejects.toThrow(
      /it says that it is backup 20261120T021700Z-7f3a/,
    );
  });

  it.each([
    ['server', { ...manifest.source, systemIdentifier: '7000000000000000001' }],
    ['database', { ...manifest.source, database: 'another' }],
  ])('of another %s is damaged, though a key that both repositories have sealed it', async (_, source) => {
    const other = { ...manifest, source };
    await store(manifest.id, other);
    for (const read of [readManifest, readOutline]) {
      await expect(read(repository, manifest.id)).rejects.toThrow(/not of the one whose backups these are/);
    }
  });

  const table = manifest.tables[0] as Manifest['tables'][number];
  const withPiece = (piece: { object: number; offset: number; length: number }) => ({
    ...manifest,
    tables: [{ ...table, ranges: [{ from: 0, to: null, rows: 1, places: null, pieces: [piece] }] }],
  });
  it.each([
    ['a later format', { ...manifest, format: 3 }, /has format 3; this version reads formats 1 and 2/],
    ['a field of a later version', { ...manifest, chain: [] }, /not of format 1 or 2/],
    ['a field missing', { ...manifest, objects: undefined }, /not of format 1 or 2/],
    ['no purpose', { ...manifest, purpose: undefined }, /purpose/],
    ['a purpose of a later version', { ...manifest, purpose: 'archive' }, /purpose/],
    ['a field of format 2 in format 1', { ...manifest, format: 1 }, /not of format 1 or 2 \(purpose/],
    ['a format that is none', { ...manifest, format: 'one' }, /not of format 1 or 2 \(format/],
    ['a negative count', { ...manifest, archive: { bytes: -1, objects: [] } }, /not of format 1 or 2/],
    [
      'an object that would take more memory than any has',
      { ...manifest, objects: [{ ...manifest.objects[0], bytes: 33_554_433 }, manifest.objects[1]] },
      /objects.*bytes: .*<=33554432/,
    ],
    [
      'an object that is stored larger than any is',
      { ...manifest, objects: [{ ...manifest.objects[0], stored: 35_651_585 }, manifest.objects[1]] },
      /objects.*stored: .*<=35651584/,
    ],
    ['no object at all', [], /./],
    [
      'a piece of an object that is not listed',
      withPiece({ object: 2, offset: 0, length: 1 }),
      /points outside/,
    ],
    [
      'a piece beyond the end of its object',
      withPiece({ object: 0, offset: 990, length: 11 }),
      /points outside/,
    ],
    [
      'an archive of one object many times, which would fill a disk',
      { ...manifest, archive: { bytes: 50, objects: Array<number>(1000).fill(1) } },
      /the size of its archive is not the sum/,
    ],
    [
      'a supplement that is larger than it says',
      { ...manifest, supplement: { bytes: 0, objects: [1] } },
      /the size of its supplement/,
    ],
    [
      'a table that has more rows than it says',
      { ...manifest, tables: [{ ...table, rows: 2 }] },
      /what it says of table .* is not the sum/,
    ],
    [
      'a table that is larger than it says',
      {
        ...manifest,
        tables: [
          {
            ...table,
            ranges: table.ranges.map((range) => ({ ...range, pieces: [...range.pieces, ...range.pieces] })),
          },
        ],
      },
      /what it says of table/,
    ],
    [
      'fewer rows in all than there are',
      { ...manifest, totals: { ...manifest.totals, rows: 0 } },
      /the number of all rows/,
    ],
    [
      'fewer bytes in all than there are',
      { ...manifest, totals: { ...manifest.totals, bytes: 0 } },
      /the size of all of it/,
    ],
    [
      'a count that no double is sure of',
      { ...manifest, totals: { ...manifest.totals, rows: 1e308 } },
      /rows/,
    ],
    [
      'a snapshot of more digits than a number has',
      { ...manifest, source: { ...manifest.source, snapshot: `${'9'.repeat(30)}:20:` } },
      /snapshot/,
    ],
    [
      'a value of a sequence that is no number',
      {
        ...manifest,
        facts: { ...manifest.facts, sequences: [{ ...manifest.facts.sequences[0], lastValue: '1; DROP' }] },
      },
      /lastValue/,
    ],
    ['a time that is none', { ...manifest, startedAt: '2026-11-20T02:17:00+23' }, /startedAt/],
    [
      'an archive in an object that is not listed',
      { ...manifest, archive: { bytes: 1, objects: [2] } },
      /its archive/,
    ],
  ])('sealed but with %s is damaged', async (_what, content, message) => {
    await store(manifest.id, content);
    const read = readManifest(repository, manifest.id);
    await expect(read).rejects.toThrow(IntegrityError);
    await expect(read).rejects.toThrow(message);
  });

  it('may name a piece that ends with its object', async () => {
    const { tables } = withPiece({ object: 0, offset: 990, length: 10 });
    const fitting = makeManifest({ tables: tables.map((each) => ({ ...each, rows: 1, bytes: 10 })) });
    await store(manifest.id, fitting);
    expect(await readManifest(repository, manifest.id)).toEqual(fitting);
  });
});

describe('a manifest of format 1', () => {
  const { purpose: _, ...fields } = manifest;
  const safety = 'before restore of 20261120T021700Z-7f3a';

  it.each([
    ['no label', null, true, 'ordinary'],
    ['a label', 'v2.4', true, 'ordinary'],
    ['the label and the pin that every safety backup had', safety, true, 'safety'],
    ['that label without the pin', safety, false, 'ordinary'],
    ['a label that begins like that', 'before restore of the shop', true, 'ordinary'],
    ['a label that goes on after that', `${safety}, and of more`, true, 'ordinary'],
    ['a label that has that in it', `not ${safety}`, true, 'ordinary'],
  ])('with %s becomes one of format 2 with a purpose', async (_what, label, pin, purpose) => {
    await store(manifest.id, { ...fields, format: 1, label, pin });
    const expected = { ...manifest, label, pin, format: 2, purpose };
    expect(await readManifest(repository, manifest.id)).toEqual(expected);
    const outline = await readOutline(repository, manifest.id);
    expect(expected).toMatchObject(outline ?? {});
    expect(outline).toMatchObject({ format: 2, purpose });
  });

  it('is the only one whose label is asked', async () => {
    await store(manifest.id, { ...manifest, label: safety, pin: true });
    expect(await readManifest(repository, manifest.id)).toMatchObject({ purpose: 'ordinary' });
    expect(await readOutline(repository, manifest.id)).toMatchObject({ purpose: 'ordinary' });
  });
});

describe('choosing a backup', () => {
  const ignore = () => {};
  const at = (hour: number, overrides: Partial<Manifest> = {}) => {
    const two = String(hour).padStart(2, '0');
    return makeManifest({
      id: `20261120T${two}0000Z-0000`,
      source: { ...manifest.source, snapshotAt: `2026-11-20T${two}:00:05.500000Z` },
      ...overrides,
    });
  };
  const choose = async (choice: string) => (await chooseBackup(repository, choice, ignore)).id;

  beforeEach(async () => {
    for (const hour of [3, 1, 2]) await writeManifest(repository, at(hour));
  });

  it('lists what exists, oldest first, and nothing else that lies there', async () => {
    await repository.storage.put('backups/notes.json', Buffer.from('mine'));
    await repository.storage.put('backups/20261120T040000Z-0000.json.tmp', Buffer.from(''));
    expect(await listBackupIds(repository)).toEqual([1, 2, 3].map((hour) => at(hour).id));
  });

  it('takes an id', async () => {
    expect(await choose(at(2).id)).toBe(at(2).id);
  });

  it('takes the latest', async () => {
    expect(await choose('latest')).toBe(at(3).id);
  });

  it('takes the last whose snapshot is not after a time', async () => {
    expect(await choose('before:2026-11-20T02:30:00Z')).toBe(at(2).id);
    expect(await choose('before:2026-11-20T02:00:05.500Z')).toBe(at(2).id);
    expect(await choose('before:2026-11-20T02:00:05Z')).toBe(at(1).id);
    expect(await choose('before:2026-11-20T03:30:00+01:00')).toBe(at(2).id);
  });

  it('takes the last of one second by its snapshot, not by its random part', async () => {
    const snapshots = ['04:00:05.1', '04:00:05.3', '04:00:05.2'];
    for (const [index, time] of snapshots.entries()) {
      const source = { ...manifest.source, snapshotAt: `2026-11-20T${time}Z` };
      await writeManifest(repository, at(4, { id: `20261120T040000Z-000${index}`, source }));
    }
    expect(await choose('latest')).toBe('20261120T040000Z-0001');
    expect(await choose('before:2026-11-20T04:00:05.250Z')).toBe('20261120T040000Z-0002');
  });

  it('finds none before the first', async () => {
    await expect(choose('before:2026-11-20T00:00:00Z')).rejects.toThrow(ConfigurationError);
  });

  it('passes over definitions without rows, unless asked for by id', async () => {
    const schema = at(4, { kind: 'schema' });
    await writeManifest(repository, schema);
    expect(await choose('latest')).toBe(at(3).id);
    expect(await choose(schema.id)).toBe(schema.id);
  });

  it('passes over damaged ones and tells of them, but not when one was asked for by id', async () => {
    await repository.storage.put(manifestKey(at(3).id), Buffer.from('{'));
    const damaged: string[] = [];
    const onDamaged = (error: IntegrityError, id: string) => damaged.push(id, error.message);
    expect((await chooseBackup(repository, 'latest', onDamaged)).id).toBe(at(2).id);
    expect(damaged).toEqual([at(3).id, expect.stringContaining(at(3).id)]);
    await expect(choose(at(3).id)).rejects.toThrow(IntegrityError);
  });

  it('says that there is none in an empty repository', async () => {
    repository = await createRepository();
    await expect(choose('latest')).rejects.toMatchObject({ next: 'Run a backup first.' });
  });

  it('does not take a storage that fails for a damaged backup', async () => {
    const failing = new StorageError('the network is down', 'Try again.');
    repository.storage.get = () => Promise.reject(failing);
    await expect(chooseBackup(repository, 'latest', ignore)).rejects.toBe(failing);
  });
});
