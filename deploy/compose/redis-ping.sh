#!/bin/sh
# Health check: a command that is answered after logging in. The password goes through standard input.
set -eu
secret=${REDIS_PASSWORD_FILE:-/run/secrets/redis_password}
printf 'AUTH %s\nPING\n' "$(cat "$secret")" | redis-cli -p "${REDIS_PORT:-6379}" | grep -q PONG
