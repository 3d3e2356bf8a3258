#!/bin/sh
# Installs what Python packages cannot bring, on Debian and Ubuntu; elsewhere it says what is missing.
# Usage: config/system-packages.sh PYTHON
set -eu
python=$1

missing=""
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
# LightGBM is linked against GNU's OpenMP
if [ "$(uname -s)" = Linux ] && ! "$python" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null; then
    missing="$missing libgomp1"
fi
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "missing on this machine, by their names on Debian:$missing; install them, then run make again" >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "as root, run: apt-get install$missing; then run make again" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "installing$missing with apt-get"
$as_root apt-get update -qq
# shellcheck disable=SC2086  # a list of packages
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y $missing >/dev/null
