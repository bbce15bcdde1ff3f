const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

/**
 * Matches characters that a terminal draws two columns wide: nearly all that UAX #11 calls Wide or Fullwidth.
 */
const wide =
  /^(?:\p{RGI_Emoji}|\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|[\u3000-\u303E\uFF01-\uFF60\uFFE0-\uFFE6])/v;
const invisible = /^(?:\p{Cc}|\p{Cf}|\p{Mn}|\p{Me})+$/u;

/**
 * Columns that a text takes on a terminal; `text.length` counts UTF-16 code units, which is another number.
 */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7E]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) {
    if (!invisible.test(segment)) width += wide.test(segment) ? 2 : 1;
  }
  return width;
}
