import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { refuseUnencrypted } from '../../../src/operations/backup/encryption-rule.ts';
import type { Context } from '../../../src/runtime/context.ts';
import { ConfigurationError } from '../../../src/runtime/errors.ts';
import { nameForWorkflow, renderWording, type Wording } from '../../../src/runtime/wording.ts';

const folder = mkdtempSync(join(tmpdir(), 'public-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Given {
  visibility?: 'public' | 'private' | 'internal' | 'unknown' | 'no runner';
  storage?: string;
  recipients?: readonly string[];
  allow?: boolean;
}

/** The warnings, or the refusal. */
function decide({ visibility = 'public', storage = 'artifact://db', recipients = [], allow = false }: Given) {
  const event = join(folder, 'event.json');
  writeFileSync(event, JSON.stringify(visibility === 'unknown' ? {} : { repository: { visibility } }));
  const warnings: string[] = [];
  const context = {
    env:
      visibility === 'no runner'
        ? {}
        : { GITHUB_ACTIONS: 'true', GITHUB_EVENT_PATH: event, GITHUB_REPOSITORY: 'acme/shop' },
    log: {
      warn: (message: string | Wording) => warnings.push(renderWording(message, nameForWorkflow)),
    } as unknown as Context['log'],
  };
  const packing = { encryptionRecipients: recipients, allowUnencrypted: allow };
  try {
    refuseUnencrypted(storage, packing, context);
    return warnings;
  } catch (error) {
    if (error instanceof ConfigurationError) return `${error.message} → ${error.next}`;
    throw error;
  }
}

test.each<Given>([
  { visibility: 'private' },
  { visibility: 'internal' },
  { visibility: 'no runner' },
  { visibility: 'public', recipients: ['age1…'] },
  { visibility: 'unknown', recipients: ['age1…'] },
])('%j is stored without a word', (given) => {
  expect(decide(given)).toEqual([]);
});

test.each<Given>([
  { storage: 'artifact://db' },
  { storage: 'ARTIFACT://db' },
  { storage: 's3://bucket/prefix' },
  { storage: './backups' },
])('%j is refused in a public repository, and in one that is not known to be private', ({ storage = '' }) => {
  const who = /^artifact:/i.test(storage)
    ? /anybody with an account on GitHub can download/
    : /one mistake with the storage/;
  expect(decide({ storage })).toMatch(/^encryption-recipients: is empty; acme\/shop is public, and /);
  expect(decide({ storage })).toMatch(who);
  expect(decide({ storage, visibility: 'unknown' })).toMatch(
    /it is not known whether acme\/shop is public .* counts as public/,
  );
  expect(decide({ storage, visibility: 'unknown' })).toMatch(who);
  expect(decide({ storage, allow: true })).toEqual([
    expect.stringContaining('the backup is stored unencrypted'),
  ]);
});
