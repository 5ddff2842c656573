#!/usr/bin/env bash
# Run by the image of PostgreSQL, once, when its volume is empty: the user of those services that need no identities.
# What the group may do is said by the gateway itself, whenever one of its services has looked after the schema.
set -euo pipefail

psql -v ON_ERROR_STOP=1 -v password="$(cat "$SERVICES_PASSWORD_FILE")" \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE fiona_without_identities NOLOGIN;
CREATE ROLE fiona_services LOGIN PASSWORD :'password' IN ROLE fiona_without_identities;
SQL
