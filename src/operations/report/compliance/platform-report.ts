import { formatCounted } from '../../../report/quantity.ts';
import type { Section } from '../../../report/section.ts';
import { hasRows, heading, paragraph, tellTime, toTable } from './cells-report.ts';
import type { Evidence } from './result.ts';

const unmeasured = 'not measured';

/** Says what the platform tells of the backups that it takes by itself, of which nothing is in this repository. */
export function describePlatform({ platform }: Evidence): Section[] {
  const title = heading('Backups by the platform');
  if (platform === null)
    return [title, paragraph('Not known: Supabase was not asked, because token and project were not given.')];
  const { at, projectRef, projectStatus, plan, layer, from, to, backups, retentionDays, findings } = platform;
  const times = from === null || to === null ? 'none' : `${tellTime(from)} to ${tellTime(to)}`;
  return [
    title,
    paragraph(
      `As Supabase told it at ${tellTime(at)}. These backups are its own: nothing here proves that they can be restored.`,
    ),
    toTable(
      ['what', 'value'],
      [
        ['project', projectRef],
        ['its state', projectStatus ?? unmeasured],
        ['plan', plan ?? unmeasured],
        ['can be restored', layer === null ? unmeasured : layerNames[layer]],
        ['times', layer === null ? unmeasured : times],
        [
          'backups',
          backups === null ? (layer === 'daily' ? unmeasured : 'none are listed') : String(backups),
        ],
        ['kept for', retentionDays === null ? unmeasured : formatCounted(retentionDays, 'day')],
      ],
    ),
    toTable(
      ['found', 'severity', 'what'],
      findings.map(({ kind, severity, sentence }) => [kind, severity, sentence]),
    ),
  ].filter(hasRows);
}

const layerNames = {
  daily: 'the times of daily backups',
  pitr: 'any second between two times',
  none: 'nothing',
} as const;
