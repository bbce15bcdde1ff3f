/** What the evidence of a period may lack or show, in the order in which it is told. */
export const gapKinds = [
  'no-backups',
  'vanished-backups',
  'damaged-backups',
  'unreadable-evidence',
  'missed-schedule',
  'open-failure',
  'failed-drill',
  'no-drill',
  'objective-not-met',
  'no-validation',
  'unencrypted-backups',
  'overdue-disposal',
  'no-cleanup',
  'unapproved-restore',
  'objective-not-measured',
  'no-policy',
  'no-repository',
  'runs-not-recorded',
  'period-not-over',
] as const;
export type GapKind = (typeof gapKinds)[number];
