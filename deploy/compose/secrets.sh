#!/bin/sh
# The secrets of compose.yaml, each made once: sudo ./secrets.sh
# 10001 is the image's user, 999 is PostgreSQL's own image's: a secret that others can read is not used.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
for name in master-key client-key postgres-password; do
  [ -s "secrets/$name" ] || od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n' >"secrets/$name"
done
printf '*:*:pointsman:pointsman:%s\n' "$(cat secrets/postgres-password)" >secrets/pgpass
chown 10001:10001 secrets/master-key secrets/client-key secrets/pgpass
chown 999:999 secrets/postgres-password
