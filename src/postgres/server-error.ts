/** An error the server reported while the protocol was in our hands. */
export class ServerError extends Error {
  /** SQLSTATE */
  readonly code: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;

  constructor(code: string, message: string, detail?: string, hint?: string) {
    super(message);
    this.name = 'ServerError';
    this.code = code;
    this.detail = detail;
    this.hint = hint;
  }

  /** Reads the body of an ErrorResponse (PostgreSQL manual 55.8). */
  static parse(body: Buffer): ServerError {
    const fields = new Map(
      body
        .toString('utf8')
        .split('\0')
        .filter((field) => field !== '')
        .map((field) => [field[0], field.slice(1)]),
    );
    const [code = 'XX000', message = 'unknown error'] = [fields.get('C'), fields.get('M')];
    return new ServerError(code, message, fields.get('D'), fields.get('H'));
  }
}
