import type { AlarmLimits, AlarmSettings, RunFailure, RunSuccess } from '../../src/alarm/event.ts';
import type { WorkflowRun } from '../../src/github/run.ts';
import type { Log } from '../../src/runtime/context.ts';
import type { Wording } from '../../src/runtime/wording.ts';
import { createContext as makeWorld } from '../support/context.ts';
import type { FakeGitHub } from '../support/fake-github.ts';

export const hour = 3_600_000;
export const day = 24 * hour;
const start = Date.parse('2026-11-20T02:17:00Z');

/** Short ones, so that no test waits for a pause. */
export const limits: AlarmLimits = {
  totalMs: 5000,
  afterStopMs: 300,
  issuesMs: 4000,
  requestMs: 1000,
  delayMs: 5,
};

export const exampleRun: WorkflowRun = {
  url: 'https://github.example/acme/shop/actions/runs/700',
  id: 700,
  number: 7,
  attempt: 1,
  workflow: 'Backup',
  workflowFile: 'acme/shop/.github/workflows/backup.yml',
  repository: 'acme/shop',
  actor: 'octocat',
};

interface Place {
  /** milliseconds after the first of all */
  readonly after?: number;
  /** The run's number; its id goes along. */
  readonly run?: number;
  readonly attempt?: number;
  readonly workflow?: string;
}

function place({ after = 0, run = 7, attempt = 1, workflow = 'backup.yml' }: Place) {
  return {
    startedAt: new Date(start + after),
    at: new Date(start + after + 60_000),
    run: {
      ...exampleRun,
      id: run * 100,
      number: run,
      attempt,
      url: `https://github.example/acme/shop/actions/runs/${run * 100}`,
      workflowFile: `acme/shop/.github/workflows/${workflow}`,
    },
  };
}

export function exampleFailure(where: Place = {}, changes: Partial<RunFailure> = {}): RunFailure {
  return {
    operation: 'backup',
    database: 'shop at db.example.com',
    state: 'failed',
    failureClass: 'SourceError/connection',
    message: 'the server closed the connection after 12 s',
    next: 'Check that the project is not paused, then run it again.',
    outputs: {},
    ...place(where),
    ...changes,
  };
}

export function exampleSuccess(where: Place = {}, changes: Partial<RunSuccess> = {}): RunSuccess {
  return {
    operation: 'backup',
    database: 'shop at db.example.com',
    state: 'succeeded',
    outputs: { 'backup-id': '20261120T051700Z-7f3a', rows: 1234567, 'duration-seconds': 12.5 },
    ...place(where),
    ...changes,
  };
}

export function settingsFor(github: FakeGitHub, changes: Partial<AlarmSettings> = {}): AlarmSettings {
  return {
    issues: { token: github.token, labels: ['backup-failure'], assignees: [], mentions: [] },
    redact: (text) => text,
    ...changes,
  };
}

/** A context that keeps what it is told. */
export function createContext(env: NodeJS.ProcessEnv) {
  const lines: string[] = [];
  const say = (message: string | Wording) => void lines.push(String(message));
  const log: Log = {
    debug: say,
    info: say,
    warn: say,
    error: say,
    group: async (_title, body) => body(),
    progress: say,
  };
  return { ...makeWorld({ env, now: () => new Date() }), log, lines };
}
