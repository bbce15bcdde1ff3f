import type { Session } from '../postgres/session/connection.ts';
import { ConfigurationError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';
import { isReservedRole } from './reserved-roles.ts';

/**
 * The kinds of targets: any PostgreSQL; a container of `supabase/postgres`, reached as its superuser and
 * meant to be overwritten; or a hosted project, whose own schemas belong to the platform.
 */
export type TargetKind = 'plain' | 'supabase-image' | 'supabase-project';

/**
 * Detects what the platform creates before its user comes: `auth` and `storage`, owned by its roles, and the
 * API's roles.
 */
export async function detectTargetKind(session: Session): Promise<TargetKind> {
  const schemas = await session.query<{ owner: string }>(
    `SELECT pg_get_userbyid(nspowner) AS owner FROM pg_namespace WHERE nspname IN ('auth', 'storage')`,
  );
  const [roles] = await session.query<{ found: number; superuser: boolean }>(`
    SELECT (SELECT count(*) FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role')) AS found,
           (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser`);
  const isPlatform = ({ owner }: { owner: string }) => owner !== 'postgres' && isReservedRole(owner);
  if (schemas.length < 2 || !schemas.every(isPlatform) || roles?.found !== 3) return 'plain';
  return roles.superuser ? 'supabase-image' : 'supabase-project';
}

/**
 * Chooses the wanted kind, or detects it.
 *
 * @throws ConfigurationError when the connected role cannot do what the kind requires
 */
export async function chooseTargetKind(session: Session, wanted: TargetKind | 'auto'): Promise<TargetKind> {
  const found = await detectTargetKind(session);
  if (wanted === 'auto' || wanted === found) return found;
  if (wanted === 'supabase-image') {
    throw new ConfigurationError(
      found === 'plain'
        ? say`${nameInput('target-kind')}: supabase-image was given, and the database has no auth and storage of Supabase`
        : say`${nameInput('target-kind')}: supabase-image was given, and the connected role is not a superuser`,
      say`Connect to the container as supabase_admin, or leave ${nameInput('target-kind')} out.`,
    );
  }
  return wanted;
}
