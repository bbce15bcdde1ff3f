/** Set by scripts/build.ts from package.json. */
declare const BUNDLED_VERSION: string | undefined;

export const toolName = 'supabase-backup';

/** The version of the bundle; a run from source has none. */
export const toolVersion = typeof BUNDLED_VERSION === 'string' ? BUNDLED_VERSION : '0.0.0-source';
