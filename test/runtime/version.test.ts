import { expect, test } from 'vitest';
import { locatePage } from '../../src/runtime/version.ts';

test('a release links its own documents, and a build that is none names them', () => {
  expect(locatePage('docs/emergency.md', `acme/supabase-backup@${'a'.repeat(40)}`)).toBe(
    `https://github.com/acme/supabase-backup/blob/${'a'.repeat(40)}/docs/emergency.md`,
  );
  expect(locatePage('docs/emergency.md', undefined)).toBe('docs/emergency.md');
});
