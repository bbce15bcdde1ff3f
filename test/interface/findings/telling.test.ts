import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { type FindingKind, findingKinds, isLimit } from '../../../src/interface/findings/finding.ts';
import { joinTelling, tellFinding } from '../../../src/interface/findings/telling.ts';
import { examples } from './examples.ts';

const page = readFileSync(path.join(import.meta.dirname, '../../../docs/status.md'), 'utf8');

/** What reports said of each before there was one list of findings; those with limits were in a table alone. */
const formerWords: Partial<Record<FindingKind, string>> = {
  'old-backup':
    'the newest backup is 30 h 00 min old, more than max-age: everything after it depends on captured changes alone.',
  'damaged-changes': 'these captured changes are damaged, and no restore can replay past them: a, b.',
  shrinkage:
    'the newest backup has 1 row, and the one before, 20261120T100000Z-0000, had 3. Check whether the rows were meant to be deleted; if not, pin 20261120T100000Z-0000.',
  'unreadable-manifests': 'these manifests are damaged, and their backups lost: a, b.',
  'damaged-backups':
    'these backups were found damaged: a, b. Run `backup`: a full backup stores again what they are missing.',
  'vanished-backups':
    'these backups are no longer listed, although no cleanup removed them: a, b. Somebody else removed them, or the listing of the storage is incomplete: look below backups/ with the tools of the storage.',
  'hidden-versions':
    'the bucket keeps versions: what the last cleanup removed, 3 objects with 4.00 kB, is hidden and still paid for, until a lifecycle rule expires noncurrent versions.',
  'mixed-encryption':
    '2 backups of 3 are not encrypted, while others are; the newest is a, and `list` shows which.',
  'failed-drill': 'the last drill failed, of a: it is gone',
};

/** Kinds that came with the list, so that nothing was said of them before */
const laterKinds: readonly FindingKind[] = [
  'slot-lost',
  'slot-lag',
  'managed-off',
  'managed-late',
  'managed-failed',
  'managed-ending',
  'managed-out-of-step',
  'managed-unreadable',
  'late-schedule',
  'late-copy',
  'disabled-schedule',
  'failed-runs',
  'unusual-duration',
  'unusual-size',
  'unusual-rows',
  'slow-recovery',
  'unmeasured-recovery',
];

describe.each(Object.keys(findingKinds) as FindingKind[])('a finding of the kind %s', (kind) => {
  const finding = examples[kind];

  it('has a sentence and a remedy, which stand beside each other', () => {
    const { sentence, remedy } = tellFinding(finding);
    expect(sentence.length).toBeGreaterThan(20);
    expect(sentence).not.toMatch(/undefined|NaN|\[object/);
    expect(remedy).toMatch(/^[A-Z].{10,}\.$/);
    expect(joinTelling(tellFinding(finding))).toMatch(/[.!?] \S/);
  });

  it('says what was always said of it', () => {
    const words = formerWords[kind];
    expect(words === undefined).toBe(laterKinds.includes(kind) || isLimit(finding));
    if (words !== undefined) expect(joinTelling(tellFinding(finding))).toContain(words);
  });

  it('has severities, and a row of the documents that names them', () => {
    const { severities } = findingKinds[kind];
    expect(severities).toContain(finding.severity);
    const [, told = ''] = new RegExp(`^\\| \`${kind}\` \\| ([a-z, ]+) \\|`, 'm').exec(page) ?? [];
    expect(told.split(', ')).toEqual([...severities]);
  });
});

describe('a prediction of the recovery time', () => {
  const { prediction } = examples['unmeasured-recovery'];

  it('says what it rests on', () => {
    expect(tellFinding(examples['unmeasured-recovery']).sentence).toBe(
      'how long a recovery takes was never measured; predicted: about 1 min 30 s, for 900 MB at 10.0 MB/s, the speed of the last 3 whole restores.',
    );
    const lowest = {
      ...examples['unmeasured-recovery'],
      prediction: prediction && { ...prediction, basis: 'full-backups' as const, runs: 1 },
    };
    expect(tellFinding(lowest).sentence).toContain(
      '1 min 30 s or more, for 900 MB at 10.0 MB/s, the speed at which the last 1 full backup read it',
    );
  });

  it('that cannot be made is no number', () => {
    expect(tellFinding({ ...examples['unmeasured-recovery'], prediction: undefined }).sentence).toBe(
      'how long a recovery takes was never measured, and there is nothing to predict it from.',
    );
  });
});

describe('what is unusual', () => {
  it('is told with the limit that it passed, and by how many backups', () => {
    expect(tellFinding(examples['unusual-duration']).sentence).toBe(
      'the newest backup took 2 h 00 min; at most 1 h 00 min is usual, by the 7 full backups before, whose median is 30 min 00 s.',
    );
    expect(tellFinding(examples['unusual-rows']).sentence).toContain(
      '1,000 rows; at least 2,000 rows is usual',
    );
    expect(tellFinding(examples['unusual-rows']).remedy).toContain('pin');
    expect(tellFinding({ ...examples['unusual-rows'], direction: 'jump' }).remedy).toContain('grown');
  });
});

describe('a limit', () => {
  it('that is met is a note, and asks for nothing', () => {
    const { sentence, remedy } = tellFinding({ ...examples['max-age'], severity: 'note', measured: 1000 });
    expect(sentence).toBe('the newest backup is 1.0 s old, and max-age is at most 26 h 00 min.');
    expect(remedy).toBe('Nothing needs to be done.');
  });

  it('on what never happened says so, and no age', () => {
    expect(tellFinding(examples['verified-within']).sentence).toBe(
      'verified-within asks for at most 26 h 00 min, and no backup was ever verified.',
    );
  });

  it('on the newest point names what that is', () => {
    const ofChanges = { ...examples['max-age'], newestPoint: 'changes' as const };
    expect(tellFinding(ofChanges).sentence).toMatch(/^the newest point to go back to is 30 h 00 min old/);
  });
});
