import { html, type Markup } from '../../../report/html.ts';
import { compareLayers, layerNames, listChoices, listFacts } from '../../managed/layers.ts';
import type { Managed } from '../../managed/result.ts';
import { renderTable } from './tables.ts';

/** Shows Supabase's own backups beside those of the repository. */
export function renderLayers(managed: Managed, isPublic: boolean): Markup {
  // The page says above where the repository is, and a location in a head would make narrow tables wide.
  const own = managed.own && { ...managed.own, location: '' };
  const shown = { ...managed, own };
  const names = layerNames(shown);
  const both = renderTable({
    caption: 'Both layers, side by side; times are UTC',
    columns: ['what', ...names],
    rows: compareLayers(shown),
  });
  const choices = renderTable({
    caption: 'Which brings back what, and with what loss',
    columns: ['to bring back', ...names, 'better'],
    rows: listChoices(shown),
  });
  const facts = renderTable({
    caption: 'What Supabase says of its backups',
    columns: ['what', 'it is'],
    rows: listFacts(managed),
  });
  return html`${both}${choices}${isPublic ? undefined : facts}`;
}
