#!/bin/sh
# Makes what the rotator needs in a Vault (or OpenBao) that is initialised and unsealed: two KV version 2 mounts, the
# policies of this folder, and an AppRole for the worker. Running it again changes nothing but the policies and the
# role's settings; an existing mount is never touched, and a secret id that still works is kept.
#
# The command line client needs a login that may do this: VAULT_ADDR, and VAULT_TOKEN or a token file in HOME.
#
#   APPROLE_DIR      where role_id and secret_id are written for the worker (default: ./approle, made readable to the
#                    owner alone)
#   APPROLE_MODE     the mode of those two files (default: 0400)
#   APPROLE_TTL      how long a token lives that the worker logs in for (default: 20m; it logs in again by itself)
#   APPROLE_SECRET_ID_TTL
#                    how long a secret id lives (default: 0, for ever: one that ended by itself would stop every rotation
#                    on a day that nobody chose). With another value every run issues a fresh one, so run this more often
#                    than that, and revoke by hand what leaked; the worker reads the file anew at each login.
#   APPROLE_LOCKOUT  off: no bad login locks anybody out of approle/ (a secret id has 128 random bits, so a lockout keeps
#                    nobody from guessing it, but whoever knows the role id could lock the worker out with five bad
#                    logins, for ever); keep: leave it as it is. Default: off when this run enables approle/, which
#                    others may be using otherwise, and keep when it was there.
#   CONSUMER_PATHS   for each of these paths below the consumers' mount, a policy limitless-consumer-<last part> for
#                    the service that reads it, for instance "limitless/market-maker limitless/hedger"
#   CONSUMERS_MOUNT, CONSUMERS_PREFIX, JOURNAL_MOUNT, JOURNAL_PREFIX, ACCOUNT_PREFIX
#                    as [vault] in rotator.toml names them (default: trading, limitless, rotator, journal, account)
#   VAULT_CLI        the client (default: vault; bao works as well)
set -eu
umask 077
here=$(cd "$(dirname "$0")" && pwd)
cli=${VAULT_CLI:-vault}
role=limitless-rotator
dir=${APPROLE_DIR:-./approle}
mode=${APPROLE_MODE:-0400}
mount=${CONSUMERS_MOUNT:-trading}
prefix=${CONSUMERS_PREFIX:-limitless}
journal_mount=${JOURNAL_MOUNT:-rotator}
journal_prefix=${JOURNAL_PREFIX:-journal}
account_prefix=${ACCOUNT_PREFIX:-account}

say() { echo "setup: $*"; }
fail() {
    echo "setup: $*" >&2
    exit 1
}

# Is this folder in a git checkout?
in_checkout() {
    folder=$(cd "$1" && pwd)
    while [ "$folder" != / ]; do
        [ -e "$folder/.git" ] && return 0
        folder=$(dirname "$folder")
    done
    return 1
}

# Does `vault secrets list` or `vault auth list` name this path?
listed() {
    "$cli" "$1" list -detailed | awk -v path="$2/" '$1 == path { found = 1 } END { exit !found }'
}

kv2() {
    if listed secrets "$1"; then
        "$cli" secrets list -detailed | awk -v path="$1/" '$1 == path && /version:2/ { good = 1 } END { exit !good }' ||
            fail "$1/ exists and is not KV version 2: name another mount"
    else
        say "enabling KV version 2 at $1/"
        "$cli" secrets enable -path="$1" -version=2 kv >/dev/null
    fi
}

# Write a policy of this folder with the mounts and prefixes in use.
policy() {
    sed -e "s|\"trading/\([a-z]*\)/limitless/|\"$mount/\1/$prefix/|" \
        -e "s|\"rotator/\([a-z]*\)/journal/|\"$journal_mount/\1/$journal_prefix/|" \
        -e "s|\"rotator/\([a-z]*\)/account/|\"$journal_mount/\1/$account_prefix/|" \
        "$here/$2.hcl" | "$cli" policy write "$1" - >/dev/null
}

"$cli" secrets list >/dev/null || fail "no access to Vault: is it unsealed, and does the login allow this?"
kv2 "$mount"
kv2 "$journal_mount"
policy "$role" worker
policy limitless-status status
for path in ${CONSUMER_PATHS:-}; do
    sed -e "s|CONSUMERS_MOUNT|$mount|" -e "s|CONSUMERS_PATH|$path|" "$here/consumer.hcl" |
        "$cli" policy write "limitless-consumer-${path##*/}" - >/dev/null
done

lockout=${APPROLE_LOCKOUT:-keep}
if ! listed auth approle; then
    say "enabling AppRole logins"
    "$cli" auth enable approle >/dev/null
    lockout=${APPROLE_LOCKOUT:-off}
fi
case $lockout in
off) "$cli" auth tune -user-lockout-disable=true approle/ >/dev/null ;;
keep) say "approle/ was there and is left as tuned; if nobody else uses it: APPROLE_LOCKOUT=off" ;;
*) fail "APPROLE_LOCKOUT is off or keep, not $lockout" ;;
esac
# Any number of uses: every worker and every command logs in with it again and again.
secret_id_ttl=${APPROLE_SECRET_ID_TTL:-0}
"$cli" write "auth/approle/role/$role" token_policies="$role" token_ttl="${APPROLE_TTL:-20m}" \
    secret_id_ttl="$secret_id_ttl" secret_id_num_uses=0 >/dev/null

mkdir -p "$dir"
# No checkout may take the two files up.
if in_checkout "$dir" && [ ! -e "$dir/.gitignore" ]; then
    echo '*' >"$dir/.gitignore"
fi
write_id() {
    chmod "$mode" "$dir/$1.new"
    mv -f "$dir/$1.new" "$dir/$1"
}
rm -f "$dir/role_id.new" "$dir/secret_id.new"
"$cli" read -field=role_id "auth/approle/role/$role/role-id" >"$dir/role_id.new"
write_id role_id
# An unknown secret id is answered with nothing, and success. From the file, because everybody can read
# a command line.
known() {
    [ -s "$dir/secret_id" ] &&
        "$cli" write -format=json "auth/approle/role/$role/secret-id/lookup" secret_id=@"$dir/secret_id" 2>/dev/null |
        grep -q secret_id_accessor
}
if [ "$secret_id_ttl" = 0 ] && known; then
    say "the worker's secret id still works and is kept"
else
    "$cli" write -force -field=secret_id "auth/approle/role/$role/secret-id" >"$dir/secret_id.new"
    write_id secret_id
    say "the worker's role_id and a new secret_id are in $dir"
fi
