/** What `report` can write; src/operations/report/renderers.ts has who does. */
export const reportKinds = ['dashboard', 'runbook', 'compliance', 'managed'] as const;
export type ReportKind = (typeof reportKinds)[number];
