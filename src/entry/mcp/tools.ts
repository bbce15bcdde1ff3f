import type { Tool } from './tool.ts';
import { backupList } from './tools/backup-list.ts';
import { backupRunShow, backupRunStop } from './tools/backup-runs.ts';
import { backupShow } from './tools/backup-show.ts';
import { backupStart } from './tools/backup-start.ts';
import { backupStatus } from './tools/backup-status.ts';
import { backupValidate } from './tools/backup-validate.ts';
import { drillStart } from './tools/drill-start.ts';
import { restorePlan } from './tools/restore-plan.ts';
import { runbookRead } from './tools/runbook-read.ts';

/** Every tool, in the order in which they are listed. None is named as one of Supabase's own server. */
export const tools: readonly Tool[] = [
  ...[backupStatus, backupList, backupShow, restorePlan, runbookRead, backupValidate],
  ...[backupStart, drillStart, backupRunShow, backupRunStop],
];
