import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Decrypter, Encrypter, identityToRecipient } from 'age-encryption';
import { afterAll, describe, expect, test } from 'vitest';
import { parseIdentities } from '../../../src/interface/inputs/key-values.ts';
import { keygen } from '../../../src/operations/keygen/keygen.ts';
import { renderText } from '../../../src/report/text.ts';
import { createContext } from '../../support/context.ts';

const root = await mkdtemp(path.join(tmpdir(), 'keygen-'));
afterAll(() => rm(root, { recursive: true }));

let made = 0;
const makeHome = async () => {
  const home = path.join(root, `home-${made++}`);
  await mkdir(home);
  return home;
};
const none = { keyFile: undefined, recoverySheet: undefined, database: undefined };
const run = (given: Partial<typeof none | Record<keyof typeof none, string>>, env: NodeJS.ProcessEnv) =>
  keygen({ operation: 'keygen', ...none, ...given }, createContext({ env }));
const modeOf = async (file: string) => ((await stat(file)).mode & 0o777).toString(8);

test('a key opens what is encrypted for its recipient, and only its owner reads it and the sheet', async () => {
  const home = await makeHome();
  const outcome = await run({ database: 'shop' }, { HOME: home });
  const keyFile = path.join(home, '.config', 'supabase-backup', 'shop.key');
  const sheet = path.join(home, '.config', 'supabase-backup', 'shop-recovery-sheet.md');
  const { recipient } = outcome.outputs;
  expect(outcome.outputs).toEqual({ recipient, 'key-file': keyFile, 'recovery-sheet': sheet });
  expect([await modeOf(keyFile), await modeOf(sheet), await modeOf(path.dirname(keyFile))]).toEqual([
    '600',
    '600',
    '700',
  ]);
  const [identity = ''] = parseIdentities(await readFile(keyFile, 'utf8'));
  expect(await identityToRecipient(identity)).toBe(recipient);
  const encrypter = new Encrypter();
  encrypter.addRecipient(String(recipient));
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  expect(await decrypter.decrypt(await encrypter.encrypt('rows'), 'text')).toBe('rows');
  const page = await readFile(sheet, 'utf8');
  for (const told of [identity, String(recipient), keyFile, 'of shop', '2026-11-20'])
    expect(page).toContain(told);
  // The key is in the files and nowhere else.
  expect(renderText(outcome.report) + JSON.stringify(outcome.outputs)).not.toContain(identity);
  expect(renderText(outcome.report)).toContain('Nobody can read a backup');
});

describe('is refused, and nothing is written,', () => {
  test('where a key is there already: its recipient is told, and it stays', async () => {
    const home = await makeHome();
    const { recipient } = (await run({}, { HOME: home })).outputs;
    const file = path.join(home, '.config', 'supabase-backup', 'supabase-backup.key');
    const before = await readFile(file, 'utf8');
    await expect(run({}, { HOME: home })).rejects.toMatchObject({
      message: `key-file: ${file} already exists and is not overwritten`,
      next: expect.stringContaining(`encryption-recipients: ${recipient}`),
      exitCode: 2,
    });
    expect(await readFile(file, 'utf8')).toBe(before);
  });

  test('where the sheet is there already', async () => {
    const home = await makeHome();
    const [keyFile, recoverySheet] = [path.join(home, 'new.key'), path.join(home, 'sheet.md')];
    await writeFile(recoverySheet, 'mine');
    await expect(run({ keyFile, recoverySheet }, {})).rejects.toThrow('recovery-sheet: ');
    await expect(stat(keyFile)).rejects.toThrow('ENOENT');
    expect(await readFile(recoverySheet, 'utf8')).toBe('mine');
  });

  test.each(['keyFile', 'recoverySheet'] as const)('in a git repository (%s)', async (which) => {
    const home = await makeHome();
    const checkout = await makeHome();
    await mkdir(path.join(checkout, '.git'));
    const inside = path.join(checkout, 'not', 'there', 'yet', 'file');
    await expect(run({ [which]: inside }, { HOME: home })).rejects.toThrow(
      `is inside the Git repository ${checkout}`,
    );
    await expect(stat(path.join(checkout, 'not'))).rejects.toThrow('ENOENT');
    await expect(stat(path.join(home, '.config'))).rejects.toThrow('ENOENT');
  });

  test('on a runner', async () => {
    const home = await makeHome();
    await expect(run({}, { HOME: home, GITHUB_ACTIONS: 'true' })).rejects.toThrow(
      'keygen must run on your own machine',
    );
    await expect(stat(path.join(home, '.config'))).rejects.toThrow('ENOENT');
  });

  test('where the sheet cannot be written: no key is left that nobody was told of', async () => {
    const home = await makeHome();
    const keyFile = path.join(home, 'a.key');
    const recoverySheet = path.join(home, 'a.key', 'sheet.md');
    await expect(run({ keyFile, recoverySheet }, {})).rejects.toThrow('recovery-sheet: ');
    await expect(stat(keyFile)).rejects.toThrow('ENOENT');
  });

  test('without a home', async () => {
    await expect(run({}, {})).rejects.toThrow('neither HOME nor XDG_CONFIG_HOME is set');
  });
});
