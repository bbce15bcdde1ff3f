import { expect, it } from 'vitest';
import { readFreshness } from '../../src/repository/backups/freshness.ts';
import { DamageWarnings } from '../../src/repository/damage-warnings.ts';
import { CollectingLog, presentContext } from '../support/context.ts';
import { createRepository } from './example.ts';

it('warns of the first ten, each once, and counts the others', () => {
  const log = new CollectingLog();
  {
    using damage = new DamageWarnings(log);
    for (let n = 0; n < 1234; n++) {
      damage.warn(new Error(`record ${n}`));
      damage.warn(new Error(`record ${n}`));
    }
    expect(log.warnings).toHaveLength(10);
  }
  expect(log.warnings[0]).toBe('record 0; passed over');
  expect(log.warnings.slice(9)).toEqual(['record 9; passed over', '1,224 more like these; passed over']);
});

it('says nothing more where there are no more', () => {
  const log = new CollectingLog();
  {
    using damage = new DamageWarnings(log, '');
    for (let n = 0; n < 10; n++) damage.warn(new Error(`record ${n}`));
  }
  expect(log.warnings).toHaveLength(10);
  expect(log.warnings[9]).toBe('record 9');
});

it('keeps a repository of many damaged records readable', async () => {
  const repository = await createRepository();
  for (let n = 0; n < 300; n++)
    await repository.storage.put(
      `records/drills/20261120T1000${String(n % 60).padStart(2, '0')}Z-${n.toString(16).padStart(4, '0')}.json`,
      Buffer.from('{}'),
    );
  const log = new CollectingLog();
  await readFreshness(repository, { ...presentContext, log });
  expect(log.warnings).toHaveLength(11);
  expect(log.warnings[10]).toBe('290 more like these; passed over');
});
