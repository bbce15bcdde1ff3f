import { smallPolicy } from './setting.ts';

/** Of an authority that was made for this, and whose key nobody has */
const rootCertificate = `-----BEGIN CERTIFICATE-----
MIIBfDCCASGgAwIBAgIUKUqUhtrO2DFKqbIf/yl+Ec0wOYMwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHZXhhbXBsZTAgFw0yNjExMjkyMjMxMDZaGA8yMTI2MTEwNTIy
MzEwNlowEjEQMA4GA1UEAwwHZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABI1SXs1fQCtcSbJdJ4UbjalBJcynUVzMrQ0sWiLFrQIQCv1wu2+IMmCiSZx3
2IR5aV9ogEGL6SNRCJW45RMP5f+jUzBRMB0GA1UdDgQWBBSpjl7bEpudWlxsd1/Y
6Gs1TLS0FDAfBgNVHSMEGDAWgBSpjl7bEpudWlxsd1/Y6Gs1TLS0FDAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQDSdPphUP+1XdUPsdJTV5liqv04
gPtrllOwxiQ9SWweqQIhAISEDEFZNOL+M+8kZg65ut/DEtkTW0fGvczzsfZslv4D
-----END CERTIFICATE-----`;
const indent = (text: string) => text.replace(/^/gm, '      ');

/** A policy in which everything is said that can be. */
export const fullPolicy = `action: octo-org/supabase-backup@0123456789abcdef0123456789abcdef01234567 # v1.2.3
repository: octo-org/shop
runs-on: ubuntu-24.04
time-zone: Europe/Berlin
retention: hourly=48 daily=7 monthly=12
keep-changes: 14d
databases:
  production:
    database-url: PRODUCTION_DATABASE_URL
    storage: s3://octo-backups/production
    s3-endpoint: https://s3.example.com
    s3-region: eu-central-1
    aws-access-key-id: BACKUP_KEY_ID
    aws-secret-access-key: BACKUP_KEY
    repository-key: REPOSITORY_KEY
    encryption-identity: IDENTITY
    project-ref: abcdefghijklmnopqrst
    supabase-access-token: PROJECT_TOKEN
    encryption-recipients:
      - age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
    environment: production
    sslrootcert: |
${indent(rootCertificate)}
    checks: |
      SELECT count(*) > 0 FROM public.orders
      SELECT true
    freshness: public.orders.created_at
    include: [public.*, auth.*]
    exclude: public.log
  staging:
    database-url: STAGING_DATABASE_URL
    storage: s3://octo-backups/staging
    project-ref: tsrqponmlkjihgfedcba
    retention: daily=7
    schedules:
      incremental: false
      archive: false
      capture: { unlimited-wal: true }
schedules:
  full: ['auto 2 * * *', 'auto 14 * * *']
  incremental: auto/20 6-22 * * *
  archive: { cron: 30 4 1 * *, label: "the month's last", pin: true }
  watch: auto */2 * * *
  digest: true
drill:
  backup-id: random:30d
  fallback: 2
  rto-target: 30m
  checks: SELECT true
  image: supabase/postgres:17.6.1.054
cleanup:
  aws-access-key-id: CLEANUP_KEY_ID
  aws-secret-access-key: CLEANUP_KEY
  grace-period: 48h
alarms:
  labels: [database, on-call]
  assignees: octocat
  mentions: '@octo-org/dba'
  notify-url: NOTIFY_URL
  notify-format: discord
  slack-webhook-url: SLACK_URL
  smtp-url: MAIL_SERVER
  mail-from: Backups <backups@example.com>
  mail-to: [ops@example.com, dba@example.com]
  heartbeat-url: HEARTBEAT_URL
  heartbeat-signals: [start, fail]
  rpo-target: 24h
install-client: never
records-url: RECORDS_URL
`;

/** A policy whose jobs take roles of AWS, where their storage is there. */
export const rolePolicy = `action: octo-org/supabase-backup@0123456789abcdef0123456789abcdef01234567 # v1.2.3
repository: octo-org/shop
databases:
  production:
    database-url: PRODUCTION_DATABASE_URL
    storage: s3://octo-backups/production
    s3-region: eu-central-1
    aws-role: arn:aws:iam::123456789012:role/backup
    aws-role-seconds: 21600
  staging:
    database-url: STAGING_DATABASE_URL
    storage: s3://octo-backups/staging
    s3-endpoint: https://s3.example.com
schedules:
  incremental: false
  archive: false
  capture: true
cleanup:
  aws-role: arn:aws:iam::123456789012:role/ops/backup-cleanup
`;

export const policies = { small: smallPolicy, full: fullPolicy, roles: rolePolicy } as const;
