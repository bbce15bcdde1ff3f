import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeRootKey } from '../../../src/format/root-key.ts';
import type { KeyOutcome } from '../../../src/operations/restore/result.ts';
import { bringRootKey, foreseeRootKey, type KeyRequest } from '../../../src/operations/restore/root-key.ts';
import { tellRootKey } from '../../../src/operations/restore/root-key-report.ts';
import type { ObjectReader } from '../../../src/repository/objects/store.ts';
import type { SecretsLook } from '../../../src/restorer/vault.ts';
import { IntegrityError, TargetError } from '../../../src/runtime/errors.ts';
import { makeManifest, makeObject, source } from '../../repository/example.ts';
import { createContext } from '../../support/context.ts';
import {
  type FakeManagement,
  makeClock,
  ref,
  rootKeys,
  startFakeManagement,
} from '../../support/fake-management.ts';
import { connectFake } from '../managed/example.ts';
import { makeState } from './example.ts';

const now = new Date('2026-11-20T12:00:00Z');
const elsewhere = 'zyxwvutsrqponmlkjihg';
let platform: FakeManagement;
let clock: ReturnType<typeof makeClock>;
let masked: string[];
/** What the target's server says of the secrets, one answer after the other; the last one stays */
let looks: (SecretsLook | TargetError | undefined)[];

beforeEach(async () => {
  platform = await startFakeManagement(now);
  platform.project.rootKey = rootKeys.other;
  platform.project.onRootKey = () => {
    looks = [{ areOpen: true, hasOwn: false }];
  };
  clock = makeClock(now);
  masked = [];
  looks = [{ areOpen: false, hasOwn: false }];
});
afterEach(async () => {
  expect(platform.violations).toEqual([]);
  await platform.close();
});

const context = () => createContext({ mask: (secret) => masked.push(secret) });
const carried = writeRootKey({ project: elsewhere, value: rootKeys.own });

interface Given extends Partial<KeyRequest> {
  readonly targetUrl?: string;
  readonly hasToken?: boolean;
  readonly system?: string;
  readonly content?: Buffer | IntegrityError;
}

function makeRequest({
  targetUrl = 'postgresql://postgres@127.0.0.1/postgres',
  ...given
}: Given): KeyRequest {
  const { hasToken = true, system = source.systemIdentifier, content = carried, ...rest } = given;
  const objects = [makeObject()];
  const manifest = makeManifest({
    ...{ objects, tables: [], archive: { bytes: 0, objects: [] } },
    encryption: { scheme: 'age', recipients: ['age1x'] },
  });
  const vaultKey = hasToken
    ? { accessToken: platform.token, projectRef: ref, apiUrl: platform.url }
    : undefined;
  const reader = {
    read: async () => {
      if (content instanceof Error) throw content;
      return content;
    },
  };
  return {
    job: {
      inputs: { targetUrl, vaultKey } as KeyRequest['job']['inputs'],
      manifest,
      state: makeState({ systemIdentifier: system, kind: 'supabase-project' }),
    },
    prepared: {
      lookAtSecrets: async () => {
        const [look] = looks.length > 1 ? looks.splice(0, 1) : looks;
        if (look instanceof Error) throw look;
        return look;
      },
    },
    reader: reader as unknown as ObjectReader,
    api: hasToken ? connectFake(platform, clock) : undefined,
    ...{ isToBeEmptied: false, isFormerKeyNeeded: false },
    ...rest,
  };
}

const bring = (given: Given = {}) => bringRootKey(makeRequest(given), clock, context());
const asked = () => platform.requests.map(({ method }) => method);

describe('a project that does not open the secrets of the backup', () => {
  it('gets the key, once, and both keys are masked before anything else', async () => {
    expect(await bring()).toEqual({ kind: 'set', project: ref });
    expect(platform.project.rootKey).toBe(rootKeys.own);
    expect(asked()).toEqual(['GET', 'PUT']);
    expect(masked).toEqual([rootKeys.own, rootKeys.other]);
  });

  it('is only looked at in a dry run', async () => {
    const outcome = await foreseeRootKey(makeRequest({}), context());
    expect(outcome).toEqual({ kind: 'wanted', project: ref });
    expect(asked()).toEqual(['GET']);
  });

  it('is waited for while its server starts anew', async () => {
    platform.project.onRootKey = () => {
      const away = new TargetError('target-url: nobody listens', 'Wait.');
      looks = [{ areOpen: false, hasOwn: false }, away, { areOpen: true, hasOwn: false }];
    };
    expect(await bring()).toEqual({ kind: 'set', project: ref });
    expect(clock.slept.filter((each) => each === 5000)).toHaveLength(2);
  });

  it('is waited for three minutes at most', async () => {
    platform.project.onRootKey = () => undefined;
    const outcome = await bring();
    expect(outcome).toMatchObject({ kind: 'left', why: expect.stringMatching(/still cannot decrypt/) });
    expect(clock.now().getTime() - now.getTime()).toBeLessThan(190_000);
    expect(asked()).toEqual(['GET', 'PUT']);
  });
});

describe('a lost answer', () => {
  it('is not asked for again: the key is read, and is there', async () => {
    platform.fault = ({ method }) => (method === 'PUT' ? { kind: 'lose-answer' } : undefined);
    expect(await bring()).toEqual({ kind: 'set', project: ref });
    expect(asked()).toEqual(['GET', 'PUT', 'GET']);
  });

  it('is a loss of the secrets where the key is not there', async () => {
    platform.fault = ({ method }) => (method === 'PUT' ? { kind: 'reset' } : undefined);
    const outcome = await bring();
    expect(outcome).toMatchObject({ kind: 'left', why: expect.stringMatching(/does not answer/) });
    expect(asked()).toEqual(['GET', 'PUT', 'GET']);
    expect(platform.project.rootKey).toBe(rootKeys.other);
  });

  it('is told as that where the key cannot be read either', async () => {
    platform.fault = () => (asked().includes('PUT') ? { kind: 'reset' } : undefined);
    expect(tellRootKey(await bring()).join()).toMatch(/it is unknown whether the project has the key/);
    expect(asked()).toEqual(['GET', 'PUT', 'GET', 'GET', 'GET']);
  });
});

const own: SecretsLook = { areOpen: false, hasOwn: true };
const open: SecretsLook = { areOpen: true, hasOwn: true };

describe('the key of a project stays', () => {
  it.each<[string, Given, SecretsLook | undefined, RegExp]>([
    ['where the backup has none', { content: Buffer.from('{}') }, undefined, /does not have the root key/],
    [
      'where that of the backup is damaged',
      { content: new IntegrityError('object x: it is missing', 'Restore another.') },
      undefined,
      /cannot be read: object x: it is missing/,
    ],
    ['without a token', { hasToken: false }, undefined, /no token is given/],
    [
      'where the target is another project',
      { targetUrl: `postgresql://postgres@db.${elsewhere}.supabase.co/postgres` },
      undefined,
      /project-ref is abcdefghijklmnopqrst, but target-url leads to zyxwvutsrqponmlkjihg/,
    ],
    [
      'where it is that of the source, and the target is elsewhere',
      { content: writeRootKey({ project: ref, value: rootKeys.own }), system: '1' },
      undefined,
      /which is the project that was backed up, but the target is on another server/,
    ],
    ['where it opens secrets of the target', {}, own, /the target has secrets of its own/],
    [
      'where nothing else opens the safety backup',
      { isFormerKeyNeeded: true },
      undefined,
      /the safety backup has secrets of the target, but not the root key/,
    ],
  ])('%s, and the platform is not asked', async (_, given, look, words) => {
    if (look !== undefined) looks = [look];
    const outcome = await bring(given);
    expect(outcome.kind).toBe('left');
    expect(tellRootKey(outcome).join()).toMatch(words);
    expect(asked()).toEqual([]);
  });

  it('where the token may not write it', async () => {
    platform.project.denied.set('/pgsodium', 'secrets_write');
    const outcome = await bring();
    expect(outcome.kind).toBe('left');
    expect(tellRootKey(outcome).join()).toMatch(/lacks secrets_write/);
    expect(asked()).toEqual(['GET']);
  });

  it('where it is that of the backup, and the server does not know', async () => {
    platform.project.rootKey = rootKeys.own;
    expect(await bring()).toMatchObject({
      kind: 'left',
      remedy: expect.stringMatching(/Restart the project/),
    });
    expect(asked()).toEqual(['GET']);
  });

  it.each<[string, SecretsLook | undefined]>([
    ['where the server opens the secrets', open],
    ['where there are none to restore', undefined],
  ])('%s, and nobody needs to know', async (_, look) => {
    looks = [look];
    const outcome: KeyOutcome = await bring();
    expect(outcome).toEqual({ kind: 'unneeded' });
    expect(tellRootKey(outcome)).toEqual([]);
    expect([asked(), masked]).toEqual([[], []]);
  });

  it('unless its secrets are to be removed, as a dry run foresees', async () => {
    looks = [own];
    const request = makeRequest({ isToBeEmptied: true });
    expect(await foreseeRootKey(request, context())).toEqual({ kind: 'wanted', project: ref });
  });
});
