/** The twenty letters that name a hosted project of Supabase */
export const projectRefPattern = /^[a-z]{20}$/;

/**
 * Finds the project that a connection string leads to: by the direct host `db.REF.supabase.co`, or by the user
 * `NAME.REF` of the pooler; undefined when it does not lead to a hosted project.
 */
export function findProjectRef(url: string | undefined): string | undefined {
  const [, user = '', host = ''] =
    /^postgres(?:ql)?:\/\/(?:([^:/@]*)(?::[^/?#]*)?@)?([^:/?#,]*)/i.exec(url ?? '') ?? [];
  const [, direct] = /^db\.([a-z]{20})\.supabase\.co$/i.exec(host) ?? [];
  if (direct !== undefined) return direct.toLowerCase();
  const [, pooled] = /\.pooler\.supabase\.com$/i.test(host) ? (/\.([a-z]{20})$/.exec(user) ?? []) : [];
  return pooled;
}
