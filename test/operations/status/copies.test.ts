import { describe, expect, it } from 'vitest';
import { describeStatus } from '../../../src/operations/status/report.ts';
import { renderText } from '../../../src/report/text.ts';
import type { CopyState } from '../../../src/repository/copies/state.ts';
import { ago, hour, shelve } from '../../repository/backups/freshness-example.ts';
import { weigh } from './example.ts';

const place = { name: 'elsewhere', location: 's3://other/copy' };
const behind = (hours: number): CopyState => ({
  ...{ kind: 'read', ...place, isMade: true, behindSince: ago(hours) },
  lag: {
    ...{ newest: '20261118T000000Z-0000', oldestMissing: '20261119T000000Z-0000' },
    ...{ missingBackups: 2, missingChanges: 0, missingBytes: 2000 },
  },
});
const judge = (copies: readonly CopyState[]) => weigh([shelve(2)], { copies });

describe('a copy in the status', () => {
  it('is late when it lacks a backup for longer than max-age', () => {
    expect(judge([behind(20)]).findings.filter(({ kind }) => kind === 'late-copy')).toEqual([]);
    expect(judge([behind(30)]).findings).toContainEqual({
      ...{ kind: 'late-copy', severity: 'warning', limit: 26 * hour, measured: 30 * hour, since: ago(4) },
      ...{ copy: 'elsewhere', missingBackups: 2, oldestMissing: '20261119T000000Z-0000', why: undefined },
    });
  });

  it('that cannot be read is found, and measures nothing', () => {
    const { findings } = judge([{ kind: 'unreadable', ...place, why: 'nothing answers' }]);
    expect(findings).toContainEqual(
      expect.objectContaining({ kind: 'late-copy', measured: undefined, why: 'nothing answers' }),
    );
  });

  it('is shown with how far it is behind, in the report and as JSON', () => {
    const outcome = describeStatus(
      judge([behind(20), { kind: 'unreadable', ...place, why: 'nothing answers' }]),
    );
    expect(outcome.exitCode).toBe(0);
    const text = renderText(outcome.report);
    expect(text).toMatch(
      /elsewhere \(s3:\/\/other\/copy\) +20261118T000000Z-0000 +2 backups, about 2\.00 kB/,
    );
    expect(JSON.parse(String(outcome.outputs.copies))).toMatchObject([
      { name: 'elsewhere', state: 'incomplete', lag: { missingBackups: 2 } },
      { name: 'elsewhere', state: 'failed', why: 'nothing answers' },
    ]);
    expect(describeStatus(weigh([shelve(2)])).outputs.copies).toBe('');
  });
});
