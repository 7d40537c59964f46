#!/bin/sh
# Start redis with the password from its secret file. It goes in through standard input, so that it is in no command
# line and no environment; `exec` makes redis the process that gets the signals.
set -eu
config=${REDIS_CONFIG:-/etc/redis/redis.conf}
secret=${REDIS_PASSWORD_FILE:-/run/secrets/redis_password}
password=$(cat "$secret")
exec redis-server "$config" - <<END
requirepass $password
END
