import { existsSync, readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { Ajv, type ValidateFunction } from 'ajv';
import type { Clock } from '../../src/management/api.ts';

/*
 * A stand-in for Supabase's Management API, inside this process. Requests to it and its answers are validated
 * against the published description (https://api.supabase.com/api/v1-json) where a copy of it lies beside the
 * checkout; it is not a part of this project.
 */

/** A file with the description: the variable, or the place where it lies beside a checkout. */
const documentFile =
  process.env.SUPABASE_MANAGEMENT_API_DOCUMENT ||
  path.join(import.meta.dirname, '../../../shared/api/supabase-management-v1.json');

/** Why requests and answers are not validated; undefined where they are */
export const unvalidated = existsSync(documentFile)
  ? undefined
  : `no description of the Management API at ${documentFile}: set SUPABASE_MANAGEMENT_API_DOCUMENT`;

/** What a test does to a request instead of answering it. */
export type ManagementFault =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly body?: unknown;
      readonly headers?: Record<string, string>;
    }
  /** The connection ends before anything is done. */
  | { readonly kind: 'reset' }
  /** The request is done, and its answer lost. */
  | { readonly kind: 'lose-answer' };

export interface ManagementRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What the platform knows; a test changes it. */
export interface FakeProject {
  readonly ref: string;
  /** Served one after the other; the last one stays. */
  statuses: string[];
  plan: string;
  retentionDays: number;
  isPitr: boolean;
  /** Days of the add-on; null without it */
  pitrDays: number | null;
  backups: { readonly status: string; readonly at: Date; readonly isPhysical?: boolean }[];
  window: { readonly earliest: Date; readonly latest: Date } | undefined;
  /** UTC; undefined: the plan does not have it */
  schedule: string | undefined;
  /** Requests that the token may not make, by the end of their paths, with the permission that it lacks */
  readonly denied: Map<string, string>;
  /** Seconds since 1970 that were asked for, each once */
  readonly restores: number[];
  /** Called when a restore was accepted */
  onRestore: () => void;
  /** Of Vault */
  rootKey: string;
  /** Called when another root key was accepted, before that is answered */
  onRootKey: (key: string) => unknown;
}

export interface FakeManagement {
  readonly url: string;
  readonly token: string;
  readonly project: FakeProject;
  readonly requests: ManagementRequest[];
  /** What was not as the description has it, and paths that the stand-in does not know */
  readonly violations: string[];
  /** Asked before every request; undefined means to serve it. */
  fault: (request: ManagementRequest) => ManagementFault | undefined;
  close(): Promise<void>;
}

export const ref = 'abcdefghijklmnopqrst';
const organization = 'acme-inc';

/** Root keys of Vault, made up; no other text is like them. */
export const rootKeys = {
  own: '5c1e0f9b7a3d8264c9e15f0ab37d4826e1c95b0fa7d3824659ce1f0b7a3d8264',
  other: 'a7d3824659ce1f0b7a3d82645c1e0f9b7a3d8264c9e15f0ab37d4826e1c95b0f',
} as const;

/** A project with the plan Pro, a backup a day, and all that a token may read. */
export async function startFakeManagement(now: Date): Promise<FakeManagement> {
  const day = 86_400_000;
  const project: FakeProject = {
    ref,
    statuses: ['ACTIVE_HEALTHY'],
    plan: 'pro',
    retentionDays: 7,
    isPitr: false,
    pitrDays: null,
    backups: Array.from({ length: 7 }, (_, index) => ({
      status: 'COMPLETED',
      at: new Date(now.getTime() - 9 * 3_600_000 - index * day),
    })),
    window: undefined,
    schedule: undefined,
    denied: new Map(),
    restores: [],
    onRestore: () => undefined,
    rootKey: rootKeys.own,
    onRootKey: () => undefined,
  };
  const server = createServer((message, response) => {
    serve(message, response).catch((error) => {
      fake.violations.push(String(error));
      response.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const fake: FakeManagement = {
    url: `http://127.0.0.1:${port}`,
    token: 'sbp_0123456789abcdef0123456789abcdef01234567',
    project,
    ...{ requests: [], violations: [], fault: () => undefined },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;

  async function serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', headers, url = '' } = message;
    const request = { method, path: url, headers, body: await readText(message) };
    fake.requests.push(request);
    const fault = fake.fault(request);
    if (fault?.kind === 'reset') return void message.socket.destroy();
    if (fault?.kind === 'answer') return send(response, fault.status, fault.body, fault.headers);
    const { status, body } = await perform(fake, request);
    const operation = findOperation(request);
    fake.violations.push(...validate(operation, request, status, body));
    if (fault?.kind === 'lose-answer') return void message.socket.destroy();
    send(response, status, body);
  }
}

function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'x-ratelimit-limit': '120',
    'x-ratelimit-remaining': '119',
    'x-ratelimit-reset': '60',
    ...headers,
  });
  response.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
}

interface Answer {
  readonly status: number;
  readonly body?: unknown;
}

async function perform(
  { project, token, violations }: FakeManagement,
  request: ManagementRequest,
): Promise<Answer> {
  if (request.headers.authorization !== `Bearer ${token}`)
    return { status: 401, body: { message: 'Unauthorized' } };
  const root = `/v1/projects/${project.ref}`;
  const organizationRoot = `/v1/organizations/${organization}`;
  const denied = [...project.denied].find(([end]) => request.path.endsWith(end));
  if (denied !== undefined) {
    const message = 'The token lacks permissions';
    return { status: 403, body: { message, missing_permissions: [denied[1]] } };
  }
  switch (`${request.method} ${request.path}`) {
    case `GET ${root}`:
      return { status: 200, body: describeProject(project) };
    case `GET ${root}/database/backups`:
      return { status: 200, body: listBackups(project) };
    case `GET ${root}/database/backups/schedule`:
      return tellSchedule(project);
    case `GET ${root}/billing/addons`:
      return { status: 200, body: listAddons(project) };
    case `POST ${root}/database/backups/restore-pitr`:
      return restore(project, JSON.parse(request.body));
    case `GET ${root}/pgsodium`:
      return { status: 200, body: { root_key: project.rootKey } };
    case `PUT ${root}/pgsodium`: {
      project.rootKey = (JSON.parse(request.body) as { root_key: string }).root_key;
      await project.onRootKey(project.rootKey);
      return { status: 200, body: { root_key: project.rootKey } };
    }
    case `GET ${organizationRoot}`:
      return { status: 200, body: describeOrganization(project) };
    case `GET ${organizationRoot}/entitlements`:
      return { status: 200, body: listEntitlements(project) };
  }
  if (!/^\/v1\/projects\/[a-z]{20}(\/|$)/.test(request.path))
    violations.push(`an unknown request: ${request.method} ${request.path}`);
  return { status: 404, body: { message: 'Not Found' } };
}

function describeProject({ statuses, ref: name }: FakeProject) {
  const [status] = statuses.length > 1 ? statuses.splice(0, 1) : statuses;
  return {
    ...{ id: name, ref: name, organization_id: organization, organization_slug: organization },
    ...{ name: 'shop', region: 'eu-central-1', created_at: '2025-03-01T08:00:00.000Z', status },
    database: {
      ...{ host: `db.${name}.supabase.co`, version: '17.6.1.111' },
      ...{ postgres_engine: '17', release_channel: 'ga' },
    },
  };
}

const toSeconds = (time: Date) => Math.floor(time.getTime() / 1000);

function listBackups({ isPitr, backups, window }: FakeProject) {
  return {
    ...{ region: 'eu-central-1', walg_enabled: true, pitr_enabled: isPitr },
    backups: backups.map(({ status, at, isPhysical = true }, id) => {
      return { id, is_physical_backup: isPhysical, status, inserted_at: at.toISOString() };
    }),
    physical_backup_data:
      window === undefined
        ? {}
        : {
            earliest_physical_backup_date_unix: toSeconds(window.earliest),
            latest_physical_backup_date_unix: toSeconds(window.latest),
          },
  };
}

/** As the API has answered with plans below Enterprise */
function tellSchedule({ schedule }: FakeProject): Answer {
  if (schedule !== undefined)
    return { status: 200, body: { schedule_for: schedule, updated_at: '2026-01-01T00:00:00.000Z' } };
  const message = 'This feature requires the Enterprise plan';
  return {
    status: 402,
    body: { message, error: { code: 'entitlement_required', feature: 'backup.schedule' } },
  };
}

function listAddons({ pitrDays }: FakeProject) {
  const price = { description: '$0.137/hour', type: 'usage', interval: 'hourly', amount: 0.137 };
  const pitr = { type: 'pitr', variant: { id: `pitr_${pitrDays}`, name: `${pitrDays} days`, price } };
  return { selected_addons: pitrDays === null ? [] : [pitr], available_addons: [] };
}

function describeOrganization({ plan }: FakeProject) {
  return { id: organization, name: 'Acme', plan, opt_in_tags: [], allowed_release_channels: ['ga'] };
}

function listEntitlements({ retentionDays }: FakeProject) {
  const numeric = { type: 'numeric', hasAccess: retentionDays > 0 };
  const boolean = { type: 'boolean', hasAccess: retentionDays > 0 };
  return {
    entitlements: [
      {
        ...{ feature: { key: 'backup.retention_days', type: 'numeric' }, ...numeric },
        config: { enabled: retentionDays > 0, value: retentionDays, unlimited: false, unit: 'days' },
      },
      {
        ...{ feature: { key: 'backup.restore_to_new_project', type: 'boolean' }, ...boolean },
        config: { enabled: retentionDays > 0 },
      },
    ],
  };
}

function restore(project: FakeProject, body: { recovery_time_target_unix: number }): Answer {
  const { isPitr, window } = project;
  if (!isPitr || window === undefined)
    return { status: 400, body: { message: 'PITR is not enabled for this project.' } };
  const [earliest, latest] = [toSeconds(window.earliest), toSeconds(window.latest)];
  const target = body.recovery_time_target_unix;
  if (target < earliest || target > latest)
    return { status: 400, body: { message: `must be within range: ${earliest} <= t <= ${latest}` } };
  project.restores.push(target);
  project.onRestore();
  return { status: 201 };
}

interface Operation {
  readonly id: string;
  readonly body: ValidateFunction | undefined;
  readonly statuses: readonly string[];
  readonly answers: ReadonlyMap<string, ValidateFunction>;
}

interface Described {
  readonly requestBody?: { readonly content: Json };
  readonly responses: Readonly<Record<string, { readonly content?: Json }>>;
}
type Json = Readonly<Record<string, { readonly schema: object }>>;

const operations = unvalidated === undefined ? readOperations() : undefined;

/** Compiles what the description says of the requests that are made. */
function readOperations(): ReadonlyMap<string, Operation> {
  // Variants of the description overlap: the settings of a number are settings of a switch, too.
  const text = readFileSync(documentFile, 'utf8').replaceAll('"oneOf":', '"anyOf":');
  const document = JSON.parse(text) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>>;
    readonly components: object;
  };
  // OpenAPI 3.0 has keywords and formats of its own, `nullable` among them, which Ajv knows.
  const ajv = new Ajv({ strict: false, validateFormats: false });
  const compile = (content: Json | undefined) => {
    const schema = content?.['application/json']?.schema;
    return schema && ajv.compile({ ...schema, components: document.components });
  };
  const known = [
    ['get', '/v1/projects/{ref}'],
    ['get', '/v1/projects/{ref}/database/backups'],
    ['get', '/v1/projects/{ref}/database/backups/schedule'],
    ['post', '/v1/projects/{ref}/database/backups/restore-pitr'],
    ['get', '/v1/projects/{ref}/billing/addons'],
    ['get', '/v1/projects/{ref}/pgsodium'],
    ['put', '/v1/projects/{ref}/pgsodium'],
    ['get', '/v1/organizations/{slug}'],
    ['get', '/v1/organizations/{slug}/entitlements'],
  ] as const;
  return new Map(
    known.map(([method, template]) => {
      const described = document.paths[template]?.[method];
      if (described === undefined) throw new Error(`${documentFile} does not have ${method} ${template}`);
      const id = `${method} ${template}`;
      const answers = Object.entries(described.responses).flatMap(([status, { content }]) => {
        const check = compile(content);
        return check === undefined ? [] : [[status, check] as const];
      });
      const body = compile(described.requestBody?.content);
      const statuses = Object.keys(described.responses);
      return [id, { id, body, statuses, answers: new Map(answers) }];
    }),
  );
}

function findOperation({ method, path: url }: ManagementRequest): Operation | undefined {
  const template = url
    .replace(/^\/v1\/projects\/[a-z]{20}/, '/v1/projects/{ref}')
    .replace(/^\/v1\/organizations\/[\w-]+/, '/v1/organizations/{slug}');
  return operations?.get(`${method.toLowerCase()} ${template}`);
}

/** Statuses that any operation may answer with, whether the description says so or not */
const common = ['400', '404'];

function validate(
  operation: Operation | undefined,
  request: ManagementRequest,
  status: number,
  body: unknown,
): string[] {
  if (operation === undefined)
    return operations === undefined ? [] : [`${request.method} ${request.path} is not described`];
  const found: string[] = [];
  const check = (what: string, validator: ValidateFunction | undefined, value: unknown) => {
    if (validator !== undefined && !validator(value))
      found.push(`${operation.id}: ${what} ${JSON.stringify(validator.errors)}`);
  };
  if (operation.body !== undefined) check('its body', operation.body, JSON.parse(request.body || 'null'));
  else if (request.body !== '') found.push(`${operation.id} takes no body`);
  if (![...operation.statuses, ...common].includes(String(status)))
    found.push(`${operation.id} does not answer ${status}`);
  check(`the answer ${status}`, operation.answers.get(String(status)), body);
  return found;
}

/** A clock that only sleeping moves. */
export function makeClock(start: Date): Clock & { readonly slept: number[] } {
  let now = start.getTime();
  const slept: number[] = [];
  return {
    slept,
    now: () => new Date(now),
    sleep: async (milliseconds) => {
      slept.push(milliseconds);
      now += milliseconds;
    },
  };
}
