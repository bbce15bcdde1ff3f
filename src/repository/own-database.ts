import { ConfigurationError } from '../runtime/errors.ts';
import { nameInput, say } from '../runtime/wording.ts';

interface Database {
  readonly systemIdentifier: string;
  readonly database: string;
}

/** @throws ConfigurationError when the backups of the repository are of another database */
export function assertOwnDatabase(
  { storage, source: bound }: { readonly storage: { readonly location: string }; readonly source: Database },
  source: Database,
): void {
  if (bound.systemIdentifier !== source.systemIdentifier || bound.database !== source.database) {
    throw new ConfigurationError(
      say`${nameInput('storage')}: ${storage.location} holds backups of database ${JSON.stringify(bound.database)} of the server with system identifier ${bound.systemIdentifier}; this is ${JSON.stringify(source.database)} of ${source.systemIdentifier}`,
      'Use a separate location for each database. After an upgrade or a move, which create a new server, start a new location and keep the old one for as long as you want its backups.',
    );
  }
}
