import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeMarkdown, renderMarkdown } from '../../src/report/markdown.ts';
import { createMasks, createRedactor, redactReason, redactReport } from '../../src/report/redact.ts';

describe('a mask', () => {
  // A plain word is looked for as one.
  const secret = fc
    .string({ minLength: 6, unit: 'grapheme' })
    .filter((text) => text.trim().length >= 6 && !/^[A-Za-z]+$/.test(text));

  it('leaves no form of a secret, wherever it stands', () => {
    fc.assert(
      fc.property(
        secret,
        fc.string({ maxLength: 5 }),
        fc.string({ maxLength: 5 }),
        (secret, before, after) => {
          const mask = createRedactor([secret]);
          const text = before + secret + after;
          expect(mask(text)).not.toContain(secret);
          expect(mask(encodeURIComponent(text.toWellFormed()))).not.toContain(
            encodeURIComponent(secret.toWellFormed()),
          );
          expect(mask(JSON.stringify(text))).not.toContain(JSON.stringify(secret).slice(1, -1));
        },
      ),
    );
  });

  it('finds base64 at every place in it', () => {
    const mask = createRedactor(['correct horse battery']);
    for (const before of ['', 'a', 'ab', 'abc', 'user:']) {
      for (const format of ['base64', 'base64url'] as const) {
        const text = Buffer.from(`${before}correct horse battery!`).toString(format);
        const shown = mask(text);
        expect(shown).toContain('***');
        expect(Buffer.from(shown.replace('***', ''), 'base64').toString('latin1')).not.toContain('horse');
      }
    }
  });

  it('leaves other words, and a secret too short to be one', () => {
    expect(createRedactor(['abc', ''])('an abc of masks')).toBe('an abc of masks');
  });

  /** Every sign that some notation takes for its own, and some that need more bytes than one. */
  const awkward = String.raw`S3cr$t P@ss/+"x\y%é'<&>\n\u0041*_|~=🔑`;
  const shown = (form: string) => createRedactor([awkward])(form);
  const json = (text: string) => JSON.stringify(text).slice(1, -1);
  const xml = (text: string) =>
    text.replace(
      /[&<>"']/g,
      (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[sign] ?? sign,
    );

  it.each([
    ['JSON in JSON in JSON', json(json(json(awkward)))],
    [
      'JSON that is all ASCII',
      json(awkward).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`),
    ],
    [
      'JSON as Go and PHP write it',
      json(awkward)
        .replace(/[<>&]/g, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`)
        .replaceAll('/', '\\/'),
    ],
    ['a URL', encodeURIComponent(awkward)],
    ['a form', new URLSearchParams({ p: awkward }).toString().slice(2)],
    ['a URL in a URL', encodeURIComponent(encodeURIComponent(awkward))],
    [
      'a URL with every sign encoded',
      [...Buffer.from(awkward)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
    ],
    ['XML', xml(awkward)],
    ['XML in XML', xml(xml(awkward))],
    ['XML in JSON', json(xml(awkward))],
    [
      'XML with numbers',
      Array.from(awkward, (sign) => `&#x${sign.codePointAt(0)?.toString(16).toUpperCase()};`).join(''),
    ],
    ['a literal of SQL', awkward.replaceAll("'", "''")],
    ['a literal of SQL with escapes', awkward.replace(/['\\]/g, '\\$&')],
    ['a connection string of libpq', awkward.replace(/['\\]/g, '\\$&')],
    ['a word of a shell', awkward.replaceAll("'", String.raw`'\''`)],
    ['CSV', awkward.replaceAll('"', '""')],
    ['Markdown', escapeMarkdown(awkward)],
    ['hexadecimal digits', Buffer.from(awkward).toString('hex')],
    [
      'hexadecimal digits of a log',
      Buffer.from(awkward)
        .toString('hex')
        .toUpperCase()
        .replace(/..(?=.)/g, '$&:'),
    ],
  ])('finds a secret in %s', (_, form) => {
    expect(shown(`before ${form} after`)).toMatch(/^before \\?\*\*\* after$/);
  });

  it.each(['', 'x', 'xy', 'x'.repeat(40)])(
    'finds it in base64 that is broken into lines, after %j',
    (before) => {
      const wrapped = execFileSync('base64', {
        input: `${before}${awkward}${'y'.repeat(60)}`,
        encoding: 'utf8',
      });
      for (const form of [
        wrapped,
        wrapped.replaceAll('\n', '\r\n'),
        json(wrapped),
        encodeURIComponent(wrapped.replaceAll('\n', '')),
      ]) {
        expect(
          Buffer.from(
            decodeURIComponent(shown(form).replaceAll('\\n', '')).replace('***', ''),
            'base64',
          ).toString('latin1'),
        ).not.toMatch(/cr\$t|P@ss/);
      }
    },
  );

  it('finds an identity and hexadecimal digits in letters of either case', () => {
    const [identity, key] = ['AGE-SECRET-KEY-1QQPQ8ZYXWVUTSRQP', 'c0ffee00'.repeat(8)];
    expect(createRedactor([identity, key])(`${identity.toLowerCase()} ${key.toUpperCase()}`)).toBe('*** ***');
  });

  it('hides the whole address where it stands, and the password where that stands alone', () => {
    const url = 'postgresql://postgres.ref:hunter2hunter2@db.example.com/postgres';
    const mask = createRedactor(['hunter2hunter2', url]);
    expect(mask(`${url} hunter2hunter2 ${encodeURIComponent(url)}`)).toBe('*** *** ***');
    expect(mask(Buffer.from(url).toString('base64'))).toContain('***');
  });

  it('leaves names that hold a plain word, which is a password of somebody', () => {
    const mask = createRedactor(['owner']);
    const names = 'role "app_owner", owners, ownership, table owner_id, OWNER TO';
    expect(mask(names)).toBe(names);
    expect(mask('u:owner@h u%3Aowner%40h "a\\nowner" owner')).toBe('u:***@h u%3A***%40h "a\\n***" ***');
    expect(mask(Buffer.from('u:owner@h').toString('hex'))).not.toContain(
      Buffer.from('owner').toString('hex'),
    );
  });

  it('takes no long time, whatever it reads', () => {
    const mask = createRedactor([String.raw`\\a\\\b%%&&<"''`, awkward]);
    // A pattern that tries its ways one within another would never end here.
    for (const part of ['\\', '%25', '&amp;', "'", '\\x5c', '&#0000', '%']) mask(part.repeat(2000));
  });
});

describe('what leaves the machine', () => {
  const mask = createRedactor(['p_a*ss|w']);

  it('is masked before it is rendered, since Markdown would write the secret in another way', () => {
    const report = redactReport(
      [
        { kind: 'heading', text: 'a p_a*ss|w' },
        { kind: 'paragraph', text: 'p_a*ss|w' },
        { kind: 'table', columns: [{ title: 'name' }], rows: [['p_a*ss|w', 'other']] },
        { kind: 'code', language: 'sql', text: "SELECT 'p_a*ss|w'" },
      ],
      mask,
    );
    expect(renderMarkdown(report)).not.toMatch(/ss.{0,2}w/);
    expect(report[2]).toMatchObject({ rows: [['***', 'other']] });
  });

  it('has no reason where there is none', () => {
    expect([redactReason(undefined, mask), redactReason(null, mask), redactReason('p_a*ss|w', mask)]).toEqual(
      [null, null, '***'],
    );
  });
});

describe('a token of many letters', () => {
  const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.';
  const make = (length: number) =>
    Array.from(
      { length },
      (_, index) => letters[(index * 31 + ((index * index) % 17)) % letters.length],
    ).join('');
  const wrap = (text: string, width: number, end: string) =>
    text.replace(new RegExp(`(.{${width}})`, 'g'), `$1${end}`);

  it.each([200, 1500, 2500, 6000, 20_000])('(%s) is found however it is written', (length) => {
    const token = make(length);
    const mask = createRedactor([token, 'another secret']);
    const bytes = Buffer.from(token);
    const forms = [
      token,
      JSON.stringify(token),
      [...bytes].map((byte) => `%${byte.toString(16)}`).join(''),
      [...token].map((sign) => `\\u00${sign.charCodeAt(0).toString(16)}`).join(''),
      bytes.toString('hex'),
      wrap(bytes.toString('hex'), 2, ':'),
      bytes.toString('base64'),
      wrap(Buffer.from(`user:${token}`).toString('base64'), 76, '\n'),
    ];
    for (const form of forms) {
      const shown = mask(`before ${form} between ${form} behind, another secret`);
      expect(shown.length).toBeLessThan(150);
      expect(shown.replace(/\s+/g, ' ')).toMatch(/^before \S*\*\*\*\S* between \S*\*\*\*\S* behind, \*\*\*$/);
    }
  });

  it('leaves what only begins as it does', () => {
    const token = make(3000);
    const mask = createRedactor([token]);
    for (const other of [`${token.slice(0, -1)}!`, token.slice(0, 400) + token, token.slice(1)]) {
      const rest = other.replace(token, '***');
      expect(mask(other)).toBe(rest);
    }
  });

  it('costs a line of a log next to nothing', () => {
    const started = performance.now();
    const mask = createRedactor([make(6000), make(4000).split('').reverse().join('')]);
    for (let count = 0; count < 10_000; count++) mask(`a line of a log, the ${count}th of many`);
    expect(performance.now() - started).toBeLessThan(3000);
  });
});

it('learns of secrets while a run goes on, also where it was handed over before', () => {
  const masks = createMasks(['hunter2-hunter2']);
  const { redact } = masks;
  expect(redact('hunter2-hunter2 5c1e0f9b7a3d8264')).toBe('*** 5c1e0f9b7a3d8264');
  masks.add('5c1e0f9b7a3d8264');
  expect(redact('hunter2-hunter2 5C1E0F9B7A3D8264')).toBe('*** ***');
});
