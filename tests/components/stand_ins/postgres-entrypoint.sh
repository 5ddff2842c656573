#!/bin/bash
# What the image of PostgreSQL does at its start, as far as deploy/ uses it.
set -euo pipefail
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb -D "$PGDATA" -U "$POSTGRES_USER" --pwfile=<(echo "${POSTGRES_PASSWORD:-$(cat "${POSTGRES_PASSWORD_FILE:-/dev/null}")}") --auth-host=scram-sha-256 \
        --auth-local=trust ${POSTGRES_INITDB_ARGS:-} >/dev/null
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
    echo "unix_socket_directories = '/run/postgresql'" >>"$PGDATA/postgresql.conf"
    # The compiler of queries is not in this image.
    echo "jit = off" >>"$PGDATA/postgresql.conf"
    pg_ctl -D "$PGDATA" -w -o "-c listen_addresses=''" start >/dev/null
    [ "$POSTGRES_DB" = postgres ] || createdb -h /run/postgresql -U "$POSTGRES_USER" "$POSTGRES_DB"
    export PGHOST=/run/postgresql
    for script in /docker-entrypoint-initdb.d/*.sh; do
        [ ! -e "$script" ] || bash "$script"
    done
    pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null
fi
exec "$@"
