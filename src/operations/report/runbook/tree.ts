import { fence, type Markdown, md, stack } from './markdown.ts';
import type { IncidentName, Page } from './page.ts';

/** A yes or no question, or the page that the answers lead to */
type Tree = IncidentName | { readonly asks: string; readonly yes: Tree; readonly no: Tree };

const ofJobs: Tree = {
  asks: 'Did a capture say that changes are lost?',
  yes: 'slot-lost',
  no: 'no-fresh-backups',
};

/** @param isCaptured without captures nothing asks for their slot */
const askOfBackups = (isCaptured: boolean): Tree => ({
  asks: 'Can the storage of the backups be read?',
  no: { asks: 'Did somebody do it on purpose?', yes: 'ransomware', no: 'storage-region-gone' },
  yes: {
    asks: 'Are backups damaged, or gone without a cleanup?',
    yes: 'ransomware',
    no: isCaptured ? ofJobs : 'no-fresh-backups',
  },
});

const ofRows: Tree = {
  asks: 'Did it begin with a migration, or is it all over the database?',
  yes: 'bad-migration',
  no: { asks: 'Is a table gone as a whole?', yes: 'dropped-table', no: 'lost-rows' },
};

const ofPlatform: Tree = {
  asks: 'Can the secrets of Vault not be read?',
  yes: 'vault-key-lost',
  no: { asks: 'Are files of Storage gone?', yes: 'files-gone', no: 'platform-backups' },
};

const askWhatHappened = (isCaptured: boolean): Tree => ({
  asks: 'Does the database answer?',
  no: 'project-gone',
  yes: {
    asks: 'Are rows, tables or columns missing or wrong?',
    yes: ofRows,
    no: {
      asks: 'Is it the backups: an alarm, a capture, their storage?',
      yes: askOfBackups(isCaptured),
      no: { asks: 'Has a key, a password or an identity leaked?', yes: 'leaked-key', no: ofPlatform },
    },
  },
});

/** Renders the tree twice: as a drawing, and as a list that reads without one. */
export function renderTree(pages: readonly Page[], isCaptured: boolean): Markdown {
  const tree = askWhatHappened(isCaptured);
  const byName = new Map(pages.map((page) => [page.name, page]));
  return stack(
    md`## What has happened?`,
    { markdown: `${listBranch(tree, byName, 0).join('\n')}` },
    fence('mermaid', ['flowchart TD', ...drawBranch(tree, byName, '0')].join('\n')),
  );
}

type Pages = ReadonlyMap<IncidentName, Page>;

function listBranch(branch: Tree, pages: Pages, depth: number): string[] {
  const indent = '  '.repeat(depth);
  if (typeof branch === 'string') return [`${indent}- ${tellLeaf(branch, pages)}`];
  const answer = (word: string, next: Tree): string[] =>
    typeof next === 'string'
      ? [`${indent}  - ${word}: ${tellLeaf(next, pages)}`]
      : [`${indent}  - ${word}:`, ...listBranch(next, pages, depth + 2)];
  return [`${indent}- **${branch.asks}**`, ...answer('yes', branch.yes), ...answer('no', branch.no)];
}

function tellLeaf(name: IncidentName, pages: Pages): string {
  const page = pages.get(name);
  if (page === undefined) return 'there is no backup, and no way back yet';
  const { way, time, loss } = page.prospect;
  return md`[${page.title}](#${name}): ${way}. Takes: ${time}. Lost: ${loss}.`.markdown;
}

/** Draws a branch; nodes are named by the answers that lead to them. */
function drawBranch(branch: Tree, pages: Pages, node: string): string[] {
  if (typeof branch === 'string') {
    const page = pages.get(branch);
    const label = page === undefined ? branch : `${page.title}<br>${page.prospect.time}`;
    return [`  n${node}["${escapeLabel(label)}"]`];
  }
  return [
    `  n${node}{"${escapeLabel(branch.asks)}"}`,
    `  n${node} -->|yes| n${node}1`,
    `  n${node} -->|no| n${node}2`,
    ...drawBranch(branch.yes, pages, `${node}1`),
    ...drawBranch(branch.no, pages, `${node}2`),
  ];
}

/** Mermaid reads `#quot;` as a quotation mark. */
function escapeLabel(text: string): string {
  return text.replaceAll('"', '#quot;');
}
