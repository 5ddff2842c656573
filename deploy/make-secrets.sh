#!/usr/bin/env bash
# Makes deploy/secrets/ for compose.yaml: one file per secret. What exists is left alone; run it as often as you like.
set -euo pipefail
cd "$(dirname "$0")"

folder=secrets
# Nobody else enters the folder. The files themselves can be read by any user, because a container's user is not
# the one who runs this script, and Compose hands each container only the files that are its own.
install -d -m 0700 "$folder"

random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

keep() { # NAME, the content on stdin: written whole or not at all, and never a second time
    local file="$folder/$1" draft
    if [ -e "$file" ]; then
        cat >/dev/null
        return
    fi
    draft=$(mktemp "$folder/.draft.XXXXXX")
    cat >"$draft"
    chmod 0444 "$draft"
    sync "$draft"
    mv "$draft" "$file"
    echo "made deploy/$file"
}

random 32 | keep secret_key
random 24 | keep postgres_password
random 24 | keep services_password
random 24 | keep rabbitmq_password
random 16 | keep orthanc_password

keep database_url <<<"postgresql+asyncpg://fiona:$(cat "$folder/postgres_password")@postgres:5432/fiona"
keep database_url_services <<<"postgresql+asyncpg://fiona_services:$(cat "$folder/services_password")@postgres:5432/fiona"
keep bus_url <<<"amqp://fiona:$(cat "$folder/rabbitmq_password")@rabbitmq:5672/"
keep rabbitmq_user.conf <<<"default_user = fiona
default_pass = $(cat "$folder/rabbitmq_password")"
keep orthanc_users.json <<<"{\"RegisteredUsers\": {\"fiona\": \"$(cat "$folder/orthanc_password")\"}}"

echo "Keep a copy of deploy/$folder/secret_key elsewhere: without it identities and project keys cannot be read."
