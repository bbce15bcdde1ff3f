import type { Evidence } from './result.ts';

/** The sections of the evidence, and the controls that each is asked for by. */
export const controls: Evidence['controls'] = [
  {
    section: 'Scope',
    ...{ soc2: ['A1.2'], iso27001: ['A.8.13', 'A.8.14'], nist: ['CP-9'], gdpr: ['30'] },
  },
  {
    section: 'Runs',
    ...{ soc2: ['A1.2', 'CC7.2'], iso27001: ['A.8.13', 'A.8.15'], nist: ['CP-9'], gdpr: ['32(1)(b)'] },
  },
  {
    section: 'Schedule',
    ...{ soc2: ['A1.2'], iso27001: ['A.8.13'], nist: ['CP-9'], gdpr: ['32(1)(b)'] },
  },
  {
    section: 'Backups',
    ...{ soc2: ['A1.2'], iso27001: ['A.8.13', 'A.8.14'], nist: ['CP-9'], gdpr: ['32(1)(b)'] },
  },
  {
    section: 'Backups by the platform',
    ...{ soc2: ['A1.2'], iso27001: ['A.8.13', 'A.8.14'], nist: ['CP-9'], gdpr: ['32(1)(b)'] },
  },
  {
    section: 'Drills',
    ...{
      soc2: ['A1.3', 'CC7.5'],
      iso27001: ['A.5.30', 'A.8.13'],
      nist: ['CP-4', 'CP-9(1)'],
      gdpr: ['32(1)(d)'],
    },
  },
  {
    section: 'Restores and access',
    ...{
      soc2: ['CC6.1', 'CC7.5'],
      iso27001: ['A.5.30', 'A.8.15'],
      nist: ['CP-10'],
      gdpr: ['32(1)(c)', '17'],
    },
  },
  {
    section: 'Retention and disposal',
    ...{ soc2: ['CC6.7'], iso27001: ['A.8.10', 'A.5.33'], nist: ['CP-9'], gdpr: ['5(1)(e)', '17'] },
  },
  {
    section: 'Encryption',
    ...{ soc2: ['CC6.1', 'CC6.7'], iso27001: ['A.8.24'], nist: ['CP-9'], gdpr: ['32(1)(b)'] },
  },
  {
    section: 'Integrity',
    ...{ soc2: ['A1.3'], iso27001: ['A.8.13', 'A.5.33'], nist: ['CP-9(1)'], gdpr: ['32(1)(b)', '32(1)(d)'] },
  },
  {
    section: 'Alarms',
    ...{ soc2: ['CC7.2'], iso27001: ['A.8.15'], nist: ['CP-9'], gdpr: ['32(1)(b)'] },
  },
];
