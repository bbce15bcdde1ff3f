import { cut } from '../issues/text.ts';
import type { Fact, Notice, Passage } from '../notice.ts';

/*
 * An Adaptive Card 1.4 in the envelope that a workflow of Teams takes, "When a Teams webhook request is
 * received": https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
 * Texts are runs of rich text, in which no markup works.
 */

/** Characters, and lines of a passage: a message to a webhook has 28 KB at most (the same page). */
const [factLimit, lineLimit, mostLines] = [150, 400, 8];

interface TextRun {
  readonly type: 'TextRun';
  readonly text: string;
  readonly weight?: 'Bolder';
  readonly size?: 'Large' | 'Small';
  readonly isSubtle?: true;
}

export function toTeams({ title, facts, passages, links, place }: Notice) {
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          fallbackText: title,
          body: [
            line([{ type: 'TextRun', text: title, weight: 'Bolder', size: 'Large' }]),
            ...facts.map(renderFact),
            ...passages.flatMap(renderPassage),
            line([{ type: 'TextRun', text: cut(place, lineLimit), size: 'Small', isSubtle: true }]),
          ],
          actions: links.map((link) => ({ type: 'Action.OpenUrl', title: link.title, url: link.url })),
        },
      },
    ],
  };
}

function line(inlines: readonly TextRun[], separator = false) {
  return { type: 'RichTextBlock', inlines, spacing: separator ? 'Medium' : 'Small', separator };
}

function renderFact({ title, value }: Fact) {
  return line([
    { type: 'TextRun', text: `${title}: `, weight: 'Bolder' },
    { type: 'TextRun', text: cut(value, factLimit) },
  ]);
}

function renderPassage({ title, text }: Passage) {
  const lines = text.split('\n').filter((each) => each !== '');
  const shown = lines.slice(0, mostLines).map((each) => cut(each, lineLimit));
  return [
    line([{ type: 'TextRun', text: title, weight: 'Bolder' }], true),
    ...[...shown, ...(lines.length > shown.length ? ['…'] : [])].map((each) =>
      line([{ type: 'TextRun', text: each }]),
    ),
  ];
}
