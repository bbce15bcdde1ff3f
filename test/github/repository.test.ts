import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readRepository } from '../../src/github/repository.ts';

const folder = mkdtempSync(join(tmpdir(), 'event-'));
afterAll(() => rmSync(folder, { recursive: true }));

function readWith(event: string): ReturnType<typeof readRepository> {
  const path = join(folder, 'event.json');
  writeFileSync(path, event);
  return readRepository({ GITHUB_ACTIONS: 'true', GITHUB_EVENT_PATH: path });
}

test.each([
  [{ private: true, visibility: 'private' }, 'private'],
  [{ private: true, visibility: 'internal' }, 'internal'],
  [{ private: false, visibility: 'public' }, 'public'],
  [{ private: true }, 'private'],
  [{ private: false }, 'public'],
  [{}, undefined],
])('a repository that the event describes as %j is %s', (repository, visibility) => {
  expect(readWith(JSON.stringify({ repository }))).toEqual({ visibility });
});

test.each(['{}', '{"repository": null}', '{"repository": {"private": "no"}}', 'no JSON', ''])(
  'the event %j does not tell',
  (event) => {
    expect(readWith(event)).toEqual({ visibility: undefined });
  },
);

test('without an event it is not known, and outside of a runner there is none', () => {
  expect(readRepository({ GITHUB_ACTIONS: 'true' })).toEqual({ visibility: undefined });
  expect(readRepository({ GITHUB_ACTIONS: 'true', GITHUB_EVENT_PATH: join(folder, 'absent') })).toEqual({
    visibility: undefined,
  });
  expect(readRepository({})).toBeUndefined();
});
