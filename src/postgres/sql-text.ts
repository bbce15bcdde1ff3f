/** What stands in quotes, as PostgreSQL reads it (manual 4.1.2), and what separates words outside of these. */
const tokens = /[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([A-Za-z_]\w*)?\$.*?\$\1\$|\s+/gs;

/** A statement with every run of white space as one space, and whatever stands in quotes as it is. */
export function putOnOneLine(sql: string): string {
  return sql.replace(tokens, (token) => (/^\s/.test(token) ? ' ' : token)).trim();
}
