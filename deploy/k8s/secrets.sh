#!/usr/bin/env bash
# Prints the Secrets of the one-node overlay, out of deploy/secrets (which deploy/make-secrets.sh makes):
#   deploy/k8s/secrets.sh | kubectl apply -f -
# In production they come from elsewhere: overlays/production/secrets.yaml.
set -euo pipefail
cd "$(dirname "$0")/../secrets"

secret() { # NAME KEY=FILE…
    printf -- '---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: fiona}\ndata:\n' "$1"
    shift
    local pair
    for pair in "$@"; do
        printf '  %s: %s\n' "${pair%%=*}" "$(tr -d '\n' <"${pair#*=}" | base64 -w0)"
    done
}

secret fiona-bus url=bus_url
secret fiona-database url=database_url
secret fiona-database-services url=database_url_services
secret fiona-master-key key=secret_key
secret fiona-postgres owner=postgres_password services=services_password
secret fiona-rabbitmq password=rabbitmq_password
