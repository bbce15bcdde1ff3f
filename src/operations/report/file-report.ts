import type { Outcome } from '../../interface/outcome.ts';
import { formatBytes, formatCounted } from '../../report/quantity.ts';
import type { DatabaseVerdict, WrittenReport } from './result.ts';

const titles: Readonly<Record<WrittenReport['kind'], string>> = {
  dashboard: 'The dashboard is written',
  runbook: 'The runbook is written',
  compliance: 'The evidence is written',
  managed: 'The comparison of both layers is written',
};

/** A report that says a limit is broken has done its work: exit code 3 is what `status` is for. */
export function describeWritten({ kind, path, files, bytes, databases }: WrittenReport): Outcome {
  const broken = databases.reduce((sum, database) => sum + database.broken.length, 0);
  const size = `${formatBytes(bytes)}${files === 1 ? '' : ` in ${formatCounted(files, 'file')}`}`;
  return {
    exitCode: 0,
    outputs: { 'report-path': path, 'broken-findings': broken },
    report: [
      { kind: 'heading', text: `${titles[kind]}: ${path}`, tone: broken === 0 ? 'good' : 'warning' },
      {
        kind: 'paragraph',
        text: `${size}, about ${formatCounted(databases.length, 'database')}; ${broken === 0 ? 'no limit is broken' : `${formatCounted(broken, 'finding')} broken`}.`,
      },
      {
        kind: 'table',
        columns: [{ title: 'database' }, { title: 'state' }, { title: 'broken' }],
        rows: databases.map(describeVerdict),
      },
    ],
  };
}

function describeVerdict({ name, verdict, broken }: DatabaseVerdict): string[] {
  return [name, verdict === 'healthy' ? verdict : verdict.toUpperCase(), broken.join(' ')];
}
