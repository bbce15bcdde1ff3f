/** How the platform is asked for its own backups, and about which project. */
export interface ManagementInputs {
  /** Of the Management API; a secret */
  readonly accessToken: string;
  /** Twenty letters */
  readonly projectRef: string;
  /** The root of the Management API, without a path */
  readonly apiUrl: string;
}
