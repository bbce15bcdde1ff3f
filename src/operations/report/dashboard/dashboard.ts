import type { ReportFacts } from '../facts.ts';

export function renderDashboard(facts: ReportFacts): string {
  return JSON.stringify(facts.databases.map(({ name }) => name));
}
