#!/bin/sh
# Pin the images that docker-compose.yml takes from a registry to what their tags name today: write REDIS_IMAGE,
# VAULT_IMAGE and PYTHON_IMAGE, each with its digest, to .env (or the file given), and leave its other lines alone.
# Review and keep that file; run this again to move to newer images on a day that you choose: docker-compose.yml names
# the digests of the day it was written. Needs docker and the registry.
#
# Usage: sh deploy/compose/pin-images.sh [FILE]
set -eu
target=${1:-.env}
new=$target.new

pin() {
    digest=$(docker buildx imagetools inspect "$2" --format '{{.Manifest.Digest}}')
    case $digest in
    sha256:*) echo "$1=$2@$digest" >>"$new" ;;
    *)
        rm -f "$new"
        echo "pin-images: no digest for $2" >&2
        exit 1
        ;;
    esac
}

if [ -f "$target" ]; then
    grep -vE '^(REDIS|VAULT|PYTHON)_IMAGE=' "$target" >"$new" || true
else
    : >"$new"
fi
pin REDIS_IMAGE redis:8.0-alpine
pin VAULT_IMAGE hashicorp/vault:1.21
pin PYTHON_IMAGE python:3.12-slim
mv -f "$new" "$target"
