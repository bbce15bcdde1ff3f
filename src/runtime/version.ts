/** Set by scripts/build.ts from package.json. */
declare const BUNDLED_VERSION: string | undefined;

export const toolName = 'supabase-backup';

/** The version of the bundle; a run from source has none. */
export const toolVersion = typeof BUNDLED_VERSION === 'string' ? BUNDLED_VERSION : '0.0.0-source';

/** Set at a release, which alone knows its commit: OWNER/REPO@COMMIT. */
declare const BUNDLED_PIN: string | undefined;

/** This action as workflows name it; undefined for a build that is no release */
export const actionPin = typeof BUNDLED_PIN === 'string' && BUNDLED_PIN !== '' ? BUNDLED_PIN : undefined;

/**
 * Tells where a page of the documents is read: its address in the release, or its name in the repository for a build
 * that is none.
 *
 * @param page such as `docs/emergency.md`
 */
export function locatePage(page: string, pin: string | undefined = actionPin): string {
  const [repository, commit] = pin?.split('@') ?? [];
  return commit === undefined ? page : `https://github.com/${repository}/blob/${commit}/${page}`;
}
