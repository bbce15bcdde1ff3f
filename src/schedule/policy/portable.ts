/**
 * The source of a pattern in the words that regular expressions of all JSON Schema validators share: no flags, and
 * no `\p{…}`.
 *
 * @throws Error for a pattern without regard to case that has letters in a class
 */
export function portableSource({ source, flags }: RegExp): string {
  const ignoresCase = flags.includes('i');
  return source.replaceAll(/\\[pP]\{Cc\}|\\.|\[(?:\\[pP]\{Cc\}|\\.|[^\]\\])*\]|[A-Za-z]/g, (token) => {
    if (token === '\\P{Cc}') return `[^${controls}]`;
    if (token === '\\p{Cc}') return `[${controls}]`;
    if (token.startsWith('[')) {
      if (ignoresCase && /[A-Za-z]/.test(token.replaceAll(/\\[pP]\{Cc\}|\\./g, '')))
        throw new Error(`letters in a class: ${source}`);
      return token.replaceAll('\\p{Cc}', controls);
    }
    if (!ignoresCase || token.startsWith('\\')) return token;
    return `[${token.toUpperCase()}${token.toLowerCase()}]`;
  });
}

/** Characters of the category Cc */
const controls = '\\x00-\\x1f\\x7f-\\x9f';
