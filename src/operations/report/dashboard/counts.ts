import { html, type Markup, name } from '../../../report/html.ts';
import { formatCount } from '../../../report/quantity.ts';
import type { Answers, DatabaseFacts } from '../facts.ts';
import { renderDayChart } from './charts.ts';
import { byDay, dayOf } from './days.ts';
import { renderTable, renderUnmeasured } from './tables.ts';

type Answered = Extract<Answers, { kind: 'read' }>['backups'];

/** Draws what the source answered to the user's questions at the times of backups. */
export function renderCounts(id: string, { answers, status }: DatabaseFacts): Markup {
  switch (answers.kind) {
    case 'none':
      return renderUnmeasured(
        'no question was asked when backups were taken. The input `checks` of `backup` asks some.',
      );
    case 'sealed':
      return renderUnmeasured(
        'the backups are encrypted, and `encryption-identity` was not given to open them.',
      );
    case 'read': {
      const questions = answers.backups.at(-1)?.answers.map(({ sql }) => sql) ?? [];
      return html`${questions.map((sql, index) => renderQuestion(`${id}-${index}`, sql, answers.backups, status.at))}`;
    }
  }
}

function renderQuestion(id: string, sql: string, backups: Answered, now: Date): Markup {
  const asked = backups.flatMap(({ at, answers }) => {
    const answer = answers.find((one) => one.sql === sql);
    return answer === undefined ? [] : [{ at, sample: answer.sample.trim() }];
  });
  const numbers = asked.flatMap(({ at, sample }) =>
    isNumber(sample) ? [{ at, value: Number(sample) }] : [],
  );
  const newest = asked.at(-1)?.sample ?? '';
  const shown =
    numbers.length === asked.length && numbers.length > 0 && numbers.every(({ value }) => value >= 0)
      ? renderDayChart({
          id: `${id}-t`,
          title: `Answers to ${sql}`,
          sentence: `The newest answer: ${newest}`,
          values: byDay(numbers),
          today: dayOf(now),
          span: 30,
          format: formatCount,
          column: 'answer',
        })
      : renderTable({
          caption: `Answers, newest first, as far as backups recorded them`,
          columns: ['backup of (UTC)', 'answer'],
          rows: asked
            .toReversed()
            .map(({ at, sample }) => [at.toISOString().slice(0, 16).replace('T', ' '), sample]),
        });
  return html`<h4><code>${name(sql)}</code></h4>${shown}`;
}

function isNumber(text: string): boolean {
  return /^-?\d{1,15}(\.\d{1,9})?$/.test(text);
}
