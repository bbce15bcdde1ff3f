import { ConfigurationError } from '../../runtime/errors.ts';

/**
 * Refuses Windows: client programs are started by a POSIX shell, which ends them when this process is gone,
 * and file modes protect stored files from other users.
 *
 * @throws ConfigurationError
 */
export function assertPlatform(platform: NodeJS.Platform): void {
  if (platform !== 'win32') return;
  throw new ConfigurationError(
    'supabase-backup does not run on Windows',
    'Run it in WSL 2 ("wsl --install", then the same command there), or in a workflow with `runs-on: ubuntu-latest`.',
  );
}
