import { expect, it } from 'vitest';
import { createBackupId, createTimedId, timeOfId } from '../../src/values/timed-id.ts';

it.each([createTimedId, createBackupId])('an id has the second of its time: %o', (create) => {
  expect(timeOfId(create(new Date('2026-11-20T02:17:09.999Z')))).toEqual(new Date('2026-11-20T02:17:09Z'));
  expect(timeOfId(`${create(new Date('2024-02-29T23:59:59Z'))}0123456789ab.json`)).toEqual(
    new Date('2024-02-29T23:59:59Z'),
  );
});
