# The command line for those who have no Node.js: with it, and with PostgreSQL's client programs.
#
#   docker build --tag supabase-backup .
#   docker run --rm --init --env SUPABASE_BACKUP_DATABASE_URL --volume "$PWD:/work" supabase-backup backup --storage ./backups
#
# Client programs of major 17 back up and restore servers of 17 and older. docs/install.md says more.

# The newest Node.js 24 on Debian 13. Whoever needs the same image again writes its digest behind the tag.
FROM docker.io/library/node:24-trixie-slim

# Fixes of Debian 13 are to come with each build, so no version is named.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates postgresql-client-17 \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=1000 --group=1000 /work

COPY LICENSE /opt/supabase-backup/
COPY bin/supabase-backup /opt/supabase-backup/bin/
COPY dist/artifact.cjs dist/cache.cjs dist/cli.cjs dist/licenses.txt dist/mail.cjs dist/mcp.cjs dist/s3.cjs /opt/supabase-backup/dist/
RUN ln -s /opt/supabase-backup/bin/supabase-backup /usr/local/bin/supabase-backup

# The image's user `node`, and on most machines of one person that person.
USER 1000:1000
WORKDIR /work
ENTRYPOINT ["supabase-backup"]
CMD ["--help"]
