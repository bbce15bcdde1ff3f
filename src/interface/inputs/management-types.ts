/** What the inputs tell of how the platform is asked, where a policy may tell the rest. */
export interface ManagementAccess {
  /** Of the Management API; a secret */
  readonly accessToken: string | undefined;
  /** Whether the token is an input; one that lies in the environment for other tools asks for nothing. */
  readonly isTokenGiven: boolean;
  /** Twenty letters */
  readonly projectRef: string | undefined;
  /** The root of the Management API, without a path */
  readonly apiUrl: string;
}

/** How the platform is asked for its own backups, and about which project. */
export interface ManagementInputs {
  /** Of the Management API; a secret */
  readonly accessToken: string;
  /** Twenty letters */
  readonly projectRef: string;
  /** The root of the Management API, without a path */
  readonly apiUrl: string;
}
