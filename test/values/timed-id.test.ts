import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createBackupId, createTimedId, timeOf } from '../../src/values/timed-id.ts';

it('the time of an id is that of its making, to the second', () => {
  const times = fc.date({ min: new Date('2000-01-01'), max: new Date('2099-12-31'), noInvalidDate: true });
  fc.assert(
    fc.property(times, (made) => {
      const second = new Date(Math.floor(made.getTime() / 1000) * 1000);
      for (const id of [createTimedId(made), createBackupId(made), `${createTimedId(made)}0123456789ab`])
        expect(timeOf(id)).toEqual(second);
    }),
  );
});
