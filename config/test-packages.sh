#!/bin/sh
# Installs the servers that the tests start for themselves, on Debian and Ubuntu. Without one its tests are
# skipped, with that reason; so whatever stands in the way here is told in a line and stops nothing.
set -eu

# the tests look on the PATH and where Debian keeps it
command -v initdb >/dev/null && exit 0
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && exit 0

skipped="the tests on PostgreSQL are skipped"
if ! command -v apt-get >/dev/null; then
    echo "no apt-get on this machine: until PostgreSQL's server is installed by hand, $skipped" >&2
    exit 0
fi
as_root=""
if [ "$(id -u)" != 0 ]; then
    # -n: nobody is asked for a password in the middle of make
    if ! sudo -n true 2>/dev/null; then
        echo "not root: until somebody runs 'apt-get install postgresql' as root, $skipped" >&2
        exit 0
    fi
    as_root="sudo -n"
fi
echo "installing postgresql with apt-get, for the tests"
if ! { $as_root apt-get update -qq &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y postgresql >/dev/null; }; then
    echo "apt-get could not install postgresql, so $skipped" >&2
fi
