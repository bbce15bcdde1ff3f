import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FindingKind } from '../../../src/interface/findings/finding.ts';
import { judgeManaged } from '../../../src/operations/managed/judge.ts';
import { describeManaged } from '../../../src/operations/managed/report.ts';
import type { OwnLayer } from '../../../src/operations/managed/result.ts';
import { renderText } from '../../../src/report/text.ts';
import { ago, hour, now } from '../../repository/backups/freshness-example.ts';
import { type FakeManagement, type FakeProject, startFakeManagement } from '../../support/fake-management.ts';
import { askFake } from './example.ts';
import { makeOwnLayer } from './layers-example.ts';

/*
 * What docs/managed.md shows, of projects as the stand-in tells them. The files are written by this test (`-u`)
 * and compared by it, so that the page is what the program prints.
 */

const folder = path.join(import.meta.dirname, '../../../docs/transcripts');

let platform: FakeManagement;
beforeEach(async () => {
  platform = await startFakeManagement(now);
});
afterEach(async () => {
  expect(platform.violations).toEqual([]);
  await platform.close();
});

interface State {
  readonly name: string;
  readonly set: (project: FakeProject) => void;
  readonly own?: OwnLayer;
  readonly exitCode: 0 | 3;
  readonly kinds: readonly FindingKind[];
}

const turnOnPitr = (project: FakeProject) => {
  project.isPitr = true;
  project.pitrDays = 7;
  project.window = { earliest: ago(7 * 24), latest: ago(0.04) };
};

const states: readonly State[] = [
  { name: 'healthy', set: () => undefined, exitCode: 0, kinds: [] },
  {
    name: 'pitr',
    set: turnOnPitr,
    own: makeOwnLayer(9.7, { capture: 0.25, commit: 0.3 }),
    exitCode: 0,
    kinds: ['managed-ending'],
  },
  {
    name: 'free',
    set: (project) => {
      project.plan = 'free';
      project.retentionDays = 0;
      project.backups = [];
    },
    exitCode: 3,
    kinds: ['managed-off'],
  },
  {
    name: 'paused',
    set: (project) => {
      project.statuses = ['INACTIVE'];
      project.backups = project.backups.map(({ status, at }) => {
        return { status, at: new Date(at.getTime() - 20 * 24 * hour) };
      });
    },
    own: makeOwnLayer(20 * 24 + 9),
    exitCode: 0,
    kinds: ['managed-ending'],
  },
  {
    name: 'failed',
    set: (project) => {
      const [first, second, ...rest] = project.backups;
      const failed = [first, second].flatMap((backup) =>
        backup === undefined ? [] : [{ ...backup, status: 'FAILED' }],
      );
      project.backups = [...failed, ...rest];
    },
    exitCode: 3,
    kinds: ['managed-late', 'managed-failed'],
  },
  {
    name: 'late',
    set: (project) => {
      project.backups = project.backups.slice(2);
    },
    exitCode: 3,
    kinds: ['managed-late'],
  },
  {
    name: 'no-permission',
    set: (project) => {
      project.denied.set('/database/backups', 'backups_read');
      project.denied.set('/schedule', 'backups_read');
      project.denied.set('/addons', 'infra_add_ons_read');
      project.denied.set('/entitlements', 'organization_admin_read');
    },
    exitCode: 3,
    kinds: ['managed-unreadable'],
  },
];

describe('the transcripts of docs/managed.md', () => {
  it.each(states.map((state) => [state.name, state] as const))(
    'show what is printed of a project that is %s',
    async (name, { set, own = makeOwnLayer(), exitCode, kinds }) => {
      set(platform.project);
      const managed = judgeManaged(await askFake(platform), own, { maxAge: 26 * hour });
      const outcome = describeManaged(managed);
      expect(managed.findings.map(({ kind }) => kind)).toEqual(kinds);
      expect(outcome.exitCode).toBe(exitCode);
      await expect(renderText(outcome.report)).toMatchFileSnapshot(`${folder}/managed-${name}.txt`);
    },
  );
});
