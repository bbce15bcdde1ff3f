import { fence, listItems, type Markdown, md, stack } from './markdown.ts';
import { describeProspect, type Prospect } from './methods.ts';
import type { Shell } from './shell.ts';
import type { VariableName } from './variables.ts';

/** What can happen. Each has a page, whose heading is these words, and whose anchor they are for that. */
export const incidentNames = [
  'dropped-table',
  'bad-migration',
  'lost-rows',
  'project-gone',
  'storage-region-gone',
  'leaked-key',
  'ransomware',
  'no-fresh-backups',
  'slot-lost',
  'vault-key-lost',
  'files-gone',
  'platform-backups',
] as const;
export type IncidentName = (typeof incidentNames)[number];

/** Something to do: said, then run, then compared with what should have been printed */
export interface Step {
  readonly say: Markdown;
  readonly run?: Shell;
  /** For people alone: a command of another program, which only the reader's situation completes */
  readonly show?: string;
  /** Lines that are printed; `…` stands for what cannot be known, alone in a line for any number of lines. */
  readonly expect?: readonly string[];
  readonly otherwise?: Markdown;
}

/** A page: one incident from the first look to the last chore */
export interface Page {
  readonly name: IncidentName;
  readonly title: string;
  readonly prospect: Prospect;
  readonly tell: readonly Step[];
  readonly stop: readonly Step[];
  readonly recover: readonly Step[];
  readonly verify: readonly Step[];
  readonly inform: readonly Markdown[];
  readonly afterwards: readonly Step[];
}

export function renderPage(page: Page): Markdown {
  const numbered = new Numbering();
  const section = (title: string, steps: readonly Step[]) =>
    steps.length === 0
      ? undefined
      : stack(md`### ${title}`, ...steps.map((step) => renderStep(step, numbered.next())));
  return stack(
    md`## ${toHeading(page.name)}`,
    md`**${page.title}.**`,
    describeProspect(page.prospect),
    describeNeeds(page),
    section('How to tell', page.tell),
    section('Stop the bleeding', page.stop),
    section('Recover', page.recover),
    section('Verify', page.verify),
    stack(md`### Tell`, listItems(page.inform)),
    section('Afterwards', page.afterwards),
  );
}

/** GitHub makes the name of it again, as the anchor. */
function toHeading(name: IncidentName): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1).replaceAll('-', ' ')}`;
}

/** Counts the steps through the whole page, so that "step 4" is one step. */
class Numbering {
  #last = 0;

  next(): number {
    this.#last += 1;
    return this.#last;
  }
}

function renderStep({ say, run, show, expect, otherwise }: Step, number: number): Markdown {
  return stack(
    { markdown: `**${number}.** ${say.markdown}` },
    run && fence('sh', run.script),
    show === undefined ? undefined : fence('console', show),
    expect && stack(md`Expected:`, fence('text', expect.join('\n'))),
    otherwise && { markdown: `*If it differs:* ${otherwise.markdown}` },
  );
}

function describeNeeds(page: Page): Markdown | undefined {
  const names = listVariables(page);
  if (names.length === 0) return undefined;
  return {
    markdown: `Its commands read ${names.map((name) => `\`$${name}\``).join(', ')} ([what they hold](#variables)).`,
  };
}

/** The variables that the commands of a page read, each once */
export function listVariables({ tell, stop, recover, verify, afterwards }: Page): VariableName[] {
  const steps = [tell, stop, recover, verify, afterwards].flat();
  return [...new Set(steps.flatMap(({ run }) => run?.reads ?? []))];
}
