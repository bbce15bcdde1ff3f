/** Quoted parts, as PostgreSQL reads them (manual 4.1.2), and white space outside of them. */
const tokens = /[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([A-Za-z_]\w*)?\$.*?\$\1\$|\s+/gs;

/** Replaces each run of white space by one space, and leaves quoted parts unchanged. */
export function putOnOneLine(sql: string): string {
  return sql.replace(tokens, (token) => (/^\s/.test(token) ? ' ' : token)).trim();
}
