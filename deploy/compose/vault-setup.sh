#!/bin/sh
# One-shot of docker-compose.yml: makes a new Vault usable, and does no harm to one that is. It initialises the server
# (once), unseals it with the key that it kept, and calls deploy/vault/setup.sh for mounts, policies and the AppRole.
#
# The key and the root token are kept in VAULT_INIT_DIR, a volume that no other service sees. That is a convenience with
# a price: who can read that volume can open Vault. docs/operations.md says how to take them out of it, and what a
# server with another seal needs.
set -eu
umask 077
init=${VAULT_INIT_DIR:-/vault/init}
setup=${VAULT_SETUP:-/deploy/vault/setup.sh}
patience=${VAULT_PATIENCE:-60}
# The command line client takes its token from this file: it is in no environment and no command line.
export HOME="$init"
token="$init/.vault-token"

say() { echo "vault-setup: $*"; }
fail() {
    echo "vault-setup: $*" >&2
    exit 1
}

# Repeat a command every second until it succeeds, or give up with a message.
until_ok() {
    message=$1
    shift
    waited=0
    until "$@" >/dev/null 2>&1; do
        waited=$((waited + 1))
        [ "$waited" -lt "$patience" ] || fail "$message"
        sleep 1
    done
}

# `vault status` ends with 0 when unsealed, with 2 when sealed, and with 1 when there is no answer.
answers() {
    code=0
    vault status || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 2 ]
}

until_ok "no answer from $VAULT_ADDR" answers

# 0: initialised; 2: not yet; anything else says nothing and must not be taken for "not yet".
code=0
vault operator init -status >/dev/null || code=$?
case $code in
0) ;;
2)
    say "initialising $VAULT_ADDR"
    rm -f "$init/unseal_key" "$token"
    # Straight into the file: were this to die, nobody else knows the key.
    vault operator init -key-shares=1 -key-threshold=1 >"$init/answer"
    ;;
*) fail "whether $VAULT_ADDR is initialised could not be told" ;;
esac
if [ -s "$init/answer" ]; then
    sed -n 's/^Initial Root Token: //p' "$init/answer" | tr -d '\n' >"$token"
    sed -n 's/^Unseal Key 1: //p' "$init/answer" | tr -d '\n' >"$init/unseal_key"
    rm "$init/answer"
fi

if ! vault status >/dev/null 2>&1; then
    [ -s "$init/unseal_key" ] || fail "$VAULT_ADDR is sealed and its key is not in $init: unseal it, then start this again"
    say "unsealing $VAULT_ADDR"
    vault write sys/unseal key=@"$init/unseal_key" >/dev/null
fi
[ -s "$token" ] || {
    say "no root token in $init: mounts, policies and AppRole are left as they are"
    exit 0
}
until_ok "$VAULT_ADDR is unsealed but does not serve requests" vault secrets list
sh "$setup"
say "done"
