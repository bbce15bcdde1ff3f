import { describe, expect, it } from 'vitest';
import { escapeSlack, renderSlack } from '../../../src/alarm/channels/slack.ts';
import type { RunEvent } from '../../../src/alarm/event.ts';
import { toNotice } from '../../../src/alarm/notice.ts';
import { exampleFailure, exampleSuccess, hour } from '../example.ts';

const issue = { number: 4, url: 'https://github.example/acme/shop/issues/4' };

function blocksOf(event: RunEvent, kind: 'failed' | 'negative' | 'recovered' = 'failed') {
  const failingSince = new Date(event.at.getTime() - 3 * hour);
  return renderSlack(toNotice(event, event, kind, { outcome: 'repeated', issue, failures: 3, failingSince }));
}

/** All texts of a message, with where they stand. */
function textsOf(message: object): string[] {
  const texts: string[] = [];
  JSON.parse(JSON.stringify(message), (key, value) => {
    if (key === 'text' && typeof value === 'string') texts.push(value);
    return value;
  });
  return texts;
}

describe('a Slack message', () => {
  it('of a failure has header, facts, cause, context and links', () => {
    const lastGood = { id: '20261119T021700Z-aaaa', takenAt: new Date('2026-11-19T02:18:00Z') };
    const message = blocksOf(exampleFailure({}, { lastGood, rpoTarget: 12 * hour }));
    expect(message.text).toBe('🚨 [failed] shop at db.example.com: backup, last good 24 h 00 min ago');
    expect(message.blocks.map(({ type }) => type)).toEqual([
      'header',
      'section',
      'section',
      'section',
      'context',
      'actions',
    ]);
    const texts = textsOf(message).join('\n');
    expect(texts).toContain('*Cause*\nthe database cannot be read: there is no connection');
    expect(texts).toContain('*Failures*\n3 failures');
    expect(texts).toContain('*Failing for*\n3 h 00 min');
    expect(texts).toContain('*Last good backup*\n20261119T021700Z-aaaa, 24 h 00 min old');
    expect(texts).toContain('is missed since 2026-11-19 14:18 UTC');
    expect(texts).toContain('*What to do*\nCheck that the project is not paused');
    expect(texts).toContain('acme/shop · Backup run 7 · 2026-11-20 02:18 UTC');
    expect(message.blocks.at(-1)).toMatchObject({
      elements: [{ url: 'https://github.example/acme/shop/actions/runs/700' }, { url: issue.url }],
    });
  });

  it('of a negative answer says what the answer is', () => {
    const answer = { state: 'negative', operation: 'restore', failureClass: 'parity' } as const;
    expect(blocksOf(exampleFailure({}, answer), 'negative').text).toBe(
      '🚨 [failed] shop at db.example.com: restore, the restored database differs from the backup',
    );
  });

  it('of a recovery has the evidence', () => {
    const message = blocksOf(exampleSuccess(), 'recovered');
    expect(message.text).toBe('✅ [recovered] shop at db.example.com: backup, after 3 h 00 min');
    expect(textsOf(message)).toContain('*backup-id*\n20261120T051700Z-7f3a');
  });

  it('of a capture tells until when changes are stored, and of no backup where none was taken', () => {
    const outputs = { 'captured-through': '2026-11-20T02:17:31.120000Z', 'backup-id': '' };
    const texts = textsOf(blocksOf(exampleSuccess({}, { operation: 'capture', outputs }), 'recovered'));
    expect(texts).toContain('*captured-through*\n2026-11-20T02:17:31.120000Z');
    expect(texts.join('\n')).not.toContain('backup-id');
  });

  it('has no buttons where there is nothing to open', () => {
    const event = exampleFailure({}, { run: undefined });
    const message = renderSlack(toNotice(event, event, 'failed', { outcome: 'none' }));
    expect(message.blocks.map(({ type }) => type)).not.toContain('actions');
  });

  it('calls nobody and makes no links by what its texts hold', () => {
    const text = '<!channel> <https://evil.example|click> & <@U1>';
    const texts = textsOf(blocksOf(exampleFailure({}, { database: text, message: text, next: text })));
    for (const each of texts) expect(each).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/);
    expect(texts.join()).toContain('&lt;!channel&gt;');
  });

  it('shows what it holds as it is, and hides none of it', () => {
    const message = blocksOf(exampleFailure({}, { message: '#general @here evil.example \u202ea\u200bb' }));
    const formatted = JSON.stringify(message.blocks).match(/"type":"mrkdwn"/g) ?? [];
    expect(JSON.stringify(message.blocks).match(/"verbatim":true/g)).toHaveLength(formatted.length);
    expect(textsOf(message).join()).toContain('\\u{202e}a\\u{200b}b');
  });

  it.each(['x', '<', '&', '😀', '&😀<'])('made of very many %s fits the limits of Slack', (sign) => {
    const text = sign.repeat(20_000);
    const { text: notification, blocks } = blocksOf(
      exampleFailure({}, { database: text, message: text, next: text }),
    );
    expect(notification.length).toBeLessThanOrEqual(3000);
    for (const block of blocks) {
      if (block.type === 'header') expect(block.text.text.length).toBeLessThanOrEqual(150);
      if (block.type === 'section') {
        expect(block.text?.text.length ?? 0).toBeLessThanOrEqual(3000);
        expect(block.fields?.length ?? 0).toBeLessThanOrEqual(10);
        for (const field of block.fields ?? []) expect(field.text.length).toBeLessThanOrEqual(2000);
      }
    }
    for (const each of textsOf({ blocks })) {
      expect(each.isWellFormed()).toBe(true);
      expect(each).not.toMatch(/&(?!amp;|lt;|gt;)/);
    }
  });

  it('keeps a text that just fits', () => {
    expect(escapeSlack('a&b', 7)).toBe('a&amp;b');
    expect(escapeSlack('a&b', 6)).toBe('a…');
  });
});
