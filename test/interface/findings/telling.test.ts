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
    'the newest backup is 30 h 00 min old, more than max-age: what came after it rests on captured changes alone.',
  'damaged-changes': 'these captured changes are damaged, and no backup can be brought past them: a, b.',
  shrinkage:
    'the newest backup has 1 row, and the one before, 20261120T100000Z-0000, had 3. See whether they were meant to go; pin 20261120T100000Z-0000 if not.',
  'unreadable-manifests': 'these manifests are damaged, and their backups lost: a, b.',
  'damaged-backups': 'these backups were found damaged: a, b. A full backup stores anew what they lack.',
  'vanished-backups':
    'not listed any more, although no cleanup has removed them: a, b. Somebody else has, or the listing of the storage lacks something: look below backups/ with the tools of the storage.',
  'hidden-versions':
    'the bucket keeps versions: what the last cleanup removed, 3 objects with 4.00 kB, is hidden and still paid for, until a lifecycle rule expires noncurrent versions.',
  'mixed-encryption':
    'not encrypted, beside others that are: 2 backups of 3, the newest a; `list` shows which.',
  'failed-drill': 'the last drill failed, of a: it is gone',
};

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
    expect(words === undefined).toBe(kind.startsWith('unusual-') || isLimit(finding));
    if (words !== undefined) expect(joinTelling(tellFinding(finding))).toContain(words);
  });

  it('has severities, and a row of the documents that names them', () => {
    const { severities } = findingKinds[kind];
    expect(severities).toContain(finding.severity);
    const [, told = ''] = new RegExp(`^\\| \`${kind}\` \\| ([a-z, ]+) \\|`, 'm').exec(page) ?? [];
    expect(told.split(', ')).toEqual([...severities]);
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
