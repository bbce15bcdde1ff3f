import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createDecoder, createEncoder } from '../../../src/repository/objects/codec.ts';
import { ConfigurationError, IntegrityError } from '../../../src/runtime/errors.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'codec-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, content?: Uint8Array | string) => {
  const full = path.join(folder, name);
  if (content !== undefined) writeFileSync(full, content, { mode: 0o600 });
  return full;
};
const isInstalled = (program: string) =>
  (process.env.PATH ?? '').split(path.delimiter).some((part) => existsSync(path.join(part, program)));

const rows = Buffer.from('1\tone\n2\ttwo\n'.repeat(10_000));

describe('sealing and opening', () => {
  it('give back any content, encrypted or not, at any level', async () => {
    const identity = await generateIdentity();
    const recipient = await identityToRecipient(identity);
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 2000 }),
        fc.boolean(),
        fc.integer({ min: 1, max: 19 }),
        async (bytes, encrypted, level) => {
          const sealed = await createEncoder(encrypted ? [recipient] : [], level)(Buffer.from(bytes));
          const opened = await createDecoder(encrypted ? 'age' : 'none', [identity])(sealed, bytes.length);
          expect(opened.equals(bytes)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('notice bytes missing at any place', async () => {
    const sealed = await createEncoder([], 3)(rows);
    const open = createDecoder('none', []);
    for (let length = 0; length < sealed.length; length += 3) {
      await expect(open(sealed.subarray(0, length), rows.length)).rejects.toThrow(IntegrityError);
    }
  });

  it('need an identity, and the right one', async () => {
    const recipient = await identityToRecipient(await generateIdentity());
    const sealed = await createEncoder([recipient], 3)(rows);
    expect(() => createDecoder('age', [])).toThrow(ConfigurationError);
    await expect(createDecoder('age', [await generateIdentity()])(sealed, rows.length)).rejects.toThrow(
      /encryption-identity/,
    );
  });

  it('never show an identity in an error', async () => {
    const identity = await generateIdentity();
    const sealed = await createEncoder([await identityToRecipient(await generateIdentity())], 3)(rows);
    const error = await createDecoder('age', [identity])(sealed, rows.length).catch(
      (reason: Error) => reason,
    );
    expect(String(error)).not.toContain(identity);
  });
});

describe.runIf(isInstalled('zstd'))('the zstd program', () => {
  it('reads what we store', async () => {
    const sealed = file('ours.zst', await createEncoder([], 3)(rows));
    expect(execFileSync('zstd', ['-dc', sealed]).equals(rows)).toBe(true);
    expect(String(execFileSync('zstd', ['-lv', sealed]))).toContain('XXH64');
  });

  it('writes what we read', async () => {
    execFileSync('zstd', ['-q', '-f', file('theirs', rows), '-o', file('theirs.zst')]);
    const opened = await createDecoder('none', [])(readFileSync(file('theirs.zst')), rows.length);
    expect(opened.equals(rows)).toBe(true);
  });
});

describe.runIf(isInstalled('age') && isInstalled('zstd'))('the age program', () => {
  it('reads what we store, with any one of the identities', async () => {
    const identities = [await generateIdentity(), await generateIdentity()];
    const recipients = await Promise.all(identities.map(identityToRecipient));
    const sealed = file('ours.age', await createEncoder(recipients, 3)(rows));
    for (const [index, identity] of identities.entries()) {
      const key = file(`key${index}`, `# a comment\n${identity}\n`);
      const compressed = execFileSync('age', ['-d', '-i', key, sealed]);
      expect(execFileSync('zstd', ['-dc'], { input: compressed }).equals(rows)).toBe(true);
    }
  });

  it('writes what we read', async () => {
    const identity = await generateIdentity();
    const compressed = execFileSync('zstd', ['-qc'], { input: rows });
    const sealed = execFileSync('age', ['-r', await identityToRecipient(identity)], { input: compressed });
    expect((await createDecoder('age', [identity])(sealed, rows.length)).equals(rows)).toBe(true);
  });
});
