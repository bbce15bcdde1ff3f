import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Supplement } from '../../../src/format/supplement.ts';
import { openSession } from '../../../src/postgres/session/connection.ts';
import { parseConnection } from '../../../src/postgres/session/settings.ts';
import { compareLocales, type DatabaseLocale, readLocale } from '../../../src/restorer/database-locale.ts';
import { createScratchDatabase } from '../../../src/restorer/trial/scratch-database.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { makeSupplement } from '../../parity/example.ts';
import { connect } from '../../postgres/database.ts';
import { makeManifest } from '../../repository/example.ts';
import { type Cluster, startCluster } from '../../support/cluster.ts';
import { createContext, emptyContext } from '../../support/context.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(async () => {
  await cluster?.stop();
});

const server = () => parseConnection('target-url', cluster.superuserUrl(), emptyContext);

/** As a backup describes the database that it is of. */
function describeAs({ encoding, provider, locale, collate, ctype }: DatabaseLocale): Supplement {
  const collation = [
    `provider ${provider}`,
    ...(locale === undefined ? [] : [`locale ${locale}`]),
    ...[`collate ${collate}`, `ctype ${ctype}`],
  ].join('; ');
  const line = { kind: 'database', schema: null, relation: null };
  return makeSupplement({
    roles: [],
    definitions: [
      { ...line, name: 'encoding', detail: encoding },
      { ...line, name: 'collation', detail: collation },
    ],
  });
}

const plain = { encoding: 'UTF8', provider: 'libc', locale: undefined, collate: 'C', ctype: 'C' } as const;

async function make(supplement: Supplement, encoding = 'UTF8') {
  const example = makeManifest();
  const manifest = makeManifest({
    source: { ...example.source, encoding },
    facts: { ...example.facts, roles: [] },
  });
  await using made = await createScratchDatabase(server(), manifest, supplement, createContext());
  const session = await openSession(made.settings);
  const [found, notes] = [await readLocale(session), await compareLocales(session, supplement.definitions)];
  await session.close();
  return { found, notes, notCarried: made.notCarried };
}

describe('a scratch database', () => {
  it.each<[string, DatabaseLocale]>([
    ['C', plain],
    ['C.UTF-8', { ...plain, collate: 'C.UTF-8', ctype: 'C.UTF-8' }],
    ['C, and other kinds of letters', { ...plain, ctype: 'C.UTF-8' }],
    ['a locale of ICU', { ...plain, provider: 'icu', locale: 'en-US' }],
    ['LATIN1', { ...plain, encoding: 'LATIN1' }],
    ['SQL_ASCII', { ...plain, encoding: 'SQL_ASCII' }],
  ])('has the encoding and the collation of the source: %s', async (_what, locale) => {
    const { found, notes, notCarried } = await make(describeAs(locale));
    expect(found).toEqual(locale);
    expect([notes, notCarried]).toEqual([[], []]);
  });

  it.runIf(process.env.TESTBED_PG17_URL)('has the collation that the server itself brings', async () => {
    const builtin: DatabaseLocale = { ...plain, provider: 'builtin', locale: 'C.UTF-8' };
    const url = String(process.env.TESTBED_PG17_URL);
    const example = makeManifest();
    const manifest = makeManifest({ facts: { ...example.facts, roles: [] }, id: '20261120T021700Z-1111' });
    const at = parseConnection('target-url', url, emptyContext);
    await using made = await createScratchDatabase(at, manifest, describeAs(builtin), createContext());
    const session = await openSession(made.settings);
    expect(await readLocale(session)).toEqual(builtin);
    await session.close();
  });

  it('has the server’s own where it lacks that of the source, which is told with the way to have it', async () => {
    const lacking: DatabaseLocale = { ...plain, collate: 'xx_XX.UTF-8', ctype: 'xx_XX.UTF-8' };
    const { found, notes, notCarried } = await make(describeAs(lacking));
    expect(found.encoding).toBe('UTF8');
    expect(notCarried).toHaveLength(1);
    expect(notCarried[0]).toMatchObject({
      what: 'collation of the database',
      why: expect.stringMatching(/xx_XX\.UTF-8 in UTF8, and this server refuses it \(.*xx_XX/),
    });
    expect(notes).toEqual([expect.stringMatching(/sorts texts by .*, and the source by xx_XX\.UTF-8/)]);
  });

  it('has the encoding that the text is in, of backups that did not record more', async () => {
    const { found, notes, notCarried } = await make(makeSupplement({ roles: [], definitions: [] }));
    expect(found.encoding).toBe('UTF8');
    expect([notes, notCarried]).toEqual([[], []]);
  });

  it('is a matter of rights when the role may make none, and leaves nothing behind', async () => {
    const admin = await connect(cluster.superuserUrl());
    await admin.query("CREATE ROLE poor LOGIN PASSWORD 'p'");
    await admin.end();
    const poor = { ...server(), user: 'poor', password: 'p' };
    await expect(
      createScratchDatabase(poor, makeManifest(), describeAs(plain), createContext()),
    ).rejects.toThrow(ConfigurationError);
  });
});

it('two spellings of one locale are one', async () => {
  const session = await openSession(server());
  const found = await readLocale(session);
  const respelt = (name: string) => name.replace(/UTF-8$/, 'utf8');
  const { definitions } = describeAs({
    ...found,
    collate: respelt(found.collate),
    ctype: respelt(found.ctype),
  });
  expect(await compareLocales(session, definitions)).toEqual([]);
  await session.close();
});
