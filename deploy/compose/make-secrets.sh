#!/bin/sh
# Make the secret files that docker-compose.yml names: a password for Redis, and a certificate for Vault that is signed
# by an authority made here. What exists already is kept. Needs openssl.
#
# Usage: sh deploy/compose/make-secrets.sh [DIRECTORY]
set -eu
umask 077
target=${1:-$(dirname "$0")/secrets}
mkdir -p "$target"
# Containers run as users that this machine does not know, so the files are readable; the directory is what is closed.
chmod 700 "$target"
cd "$target"

if [ ! -s redis_password ]; then
    openssl rand -hex 32 >redis_password
fi
if [ ! -s redis_url ]; then
    printf 'redis://:%s@redis:6379/0\n' "$(cat redis_password)" >redis_url
fi
if [ ! -s vault_cert.pem ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3650 -subj "/CN=rotator vault authority" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
        -keyout authority_key.pem -out vault_ca.pem 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj "/CN=vault" \
        -keyout vault_key.pem -out vault.csr 2>/dev/null
    cat >extensions <<'END'
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=DNS:vault,DNS:localhost,IP:127.0.0.1
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
END
    openssl x509 -req -in vault.csr -CA vault_ca.pem -CAkey authority_key.pem -days 825 -extfile extensions \
        -out vault_cert.pem 2>/dev/null
    # One certificate is all it ever signs.
    rm -f authority_key.pem vault_ca.srl vault.csr extensions
fi
chmod 444 redis_password redis_url vault_ca.pem vault_cert.pem vault_key.pem
echo "The secrets are in $(pwd)."
