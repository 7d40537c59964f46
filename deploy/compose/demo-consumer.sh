#!/bin/sh
# One-shot of the demo profile: a Vault token for the trader that may read one credential and nothing else.
set -eu
umask 077
export HOME="${VAULT_INIT_DIR:-/vault/init}"
target=${CONSUMER_DIR:-/consumer}
name=market-maker

sed -e 's|CONSUMERS_MOUNT|trading|' -e "s|CONSUMERS_PATH|limitless/$name|" "${POLICY_TEMPLATE:-/deploy/vault/consumer.hcl}" |
    vault policy write "limitless-consumer-$name" - >/dev/null
vault token create -orphan -policy="limitless-consumer-$name" -ttl=720h -field=token >"$target/$name.new"
# The trader runs as another user; the volume is mounted nowhere else.
chmod 444 "$target/$name.new"
mv -f "$target/$name.new" "$target/$name"
