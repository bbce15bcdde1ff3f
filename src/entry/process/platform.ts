import { ConfigurationError } from '../../runtime/errors.ts';

/**
 * Refuses at once where nothing would come of it: client programs are started by a POSIX shell, which ends them when this process is gone, and
 * what is stored is closed to others by modes of files.
 *
 * @throws ConfigurationError
 */
export function assertPlatform(platform: NodeJS.Platform): void {
  if (platform !== 'win32') return;
  throw new ConfigurationError(
    'supabase-backup does not run on Windows',
    'Run it in WSL 2, which is a Linux ("wsl --install", then the same command there), or in a workflow on `runs-on: ubuntu-latest`.',
  );
}
