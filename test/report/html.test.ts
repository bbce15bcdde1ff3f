import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { embedJson, html, name, prose, time } from '../../src/report/html.ts';

describe('a piece of HTML', () => {
  it('holds texts as texts, and pieces as pieces', () => {
    const inner = html`<b>${'<i> & "q" \'s\''}</b>`;
    expect(html`<p>${inner}${[1, undefined, ' ', inner]}</p>`.text).toBe(
      '<p><b>&lt;i&gt; &amp; &quot;q&quot; &#39;s&#39;</b>1 <b>&lt;i&gt; &amp; &quot;q&quot; &#39;s&#39;</b></p>',
    );
  });

  it('shows what is invisible, and isolates names', () => {
    expect(name('a\u202Eb\u0000').text).toBe('<bdi>a\\u{202e}b\\u{0}</bdi>');
  });

  it('never lets a text end a tag or an attribute', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(html`${text}`.text).not.toMatch(/[<>"']/);
      }),
    );
  });

  it('has times for people and programs, and code between backticks', () => {
    expect(time(new Date('2026-11-20T02:17:59.9Z')).text).toBe(
      '<time datetime="2026-11-20T02:17:59Z">2026-11-20 02:17</time>',
    );
    expect(prose('Run `drill`, <now>.').text).toBe('Run <code>drill</code>, &lt;now&gt;.');
  });
});

it('JSON in a page is the same value, and holds nothing that ends a script', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const { text } = embedJson(value);
      expect(text).not.toMatch(/[<\u2028\u2029]/);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});
