import type { ReportKind } from '../../interface/inputs/report-kinds.ts';
import { renderCompliance } from './compliance/compliance.ts';
import { renderDashboard } from './dashboard/dashboard.ts';
import type { ReportFacts } from './facts.ts';
import { renderManaged } from './managed/managed.ts';
import { renderRunbooks } from './runbook/runbook.ts';

/** Makes the text of a report out of facts alone. */
export type Renderer =
  | {
      readonly form: 'file';
      /** Its default path */
      readonly output: string;
      readonly render: (facts: ReportFacts) => string;
    }
  | {
      readonly form: 'folder';
      readonly output: string;
      /** Returns texts by the names of their files, without folders. */
      readonly render: (facts: ReportFacts) => ReadonlyMap<string, string>;
    };

/** Who writes each kind. */
export const renderers: Readonly<Record<ReportKind, Renderer>> = {
  dashboard: { form: 'file', output: 'supabase-backup-dashboard.html', render: renderDashboard },
  compliance: { form: 'folder', output: 'supabase-backup-compliance', render: renderCompliance },
  managed: { form: 'folder', output: 'supabase-backup-managed', render: renderManaged },
  runbook: { form: 'folder', output: 'supabase-backup-runbook', render: renderRunbooks },
};
