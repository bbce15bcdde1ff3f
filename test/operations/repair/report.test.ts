import { expect, test } from 'vitest';
import { describeRepair } from '../../../src/operations/repair/report.ts';
import type { RepairResult } from '../../../src/operations/repair/result.ts';
import { renderText } from '../../../src/report/text.ts';
import { noValues } from '../../../src/repository/copies/outcome.ts';

const healed: RepairResult = {
  ...{ isDryRun: false, storage: 's3://first/production', copies: ['/mnt/disk'], elapsed: 2000 },
  ...{ isConfigHealed: true, healed: { ...noValues, objects: 2, backups: 1 }, bytes: 3000, lost: [] },
  ...{ checked: { byStore: 5, byReading: 7 }, objects: 14 },
};

test('a repair that healed everything is 0, and counts what it stored again', () => {
  const outcome = describeRepair(healed);
  expect(outcome).toMatchObject({
    ...{ exitCode: 0, found: undefined },
    outputs: { healed: 4, 'new-bytes': 3000, refused: 0, lost: '[]', 'objects-checked': 12 },
  });
  const text = renderText(outcome.report);
  expect(text).toContain('Repair of s3://first/production: 4 files healed');
  expect(text).toMatch(/objects +2 of 14/);
});

test('a repair that could not heal something is 3, and names it', () => {
  const lost = [{ key: 'objects/aa/aabb', why: 'it is missing' }];
  const outcome = describeRepair({ ...healed, lost });
  expect(outcome).toMatchObject({
    exitCode: 3,
    found: expect.stringContaining('objects/aa/aabb: '),
    outputs: { refused: 1 },
  });
  expect(renderText(outcome.report)).toMatch(/4 files healed, 1 NOT[\s\S]*No copy has these whole/);
  expect(JSON.parse(String(outcome.outputs.lost))).toEqual(lost);
});

test('a dry run and a storage that is whole say so', () => {
  expect(renderText(describeRepair({ ...healed, isDryRun: true }).report)).toContain(
    '4 files would be healed',
  );
  const whole = { ...healed, isConfigHealed: false, healed: noValues };
  expect(renderText(describeRepair(whole).report)).toContain('nothing to heal');
});
