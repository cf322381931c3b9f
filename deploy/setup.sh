#!/usr/bin/env bash
# Sets up what a make target needs: system packages (named first, then installed when root or with sudo) and the
# locked Python environment in .venv. Does nothing when all is there.
# usage: deploy/setup.sh run|test
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:?usage: deploy/setup.sh run|test}

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "$python is missing; on Debian: apt-get install python3"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case $version in
  3.11 | 3.12 | 3.13) ;;
  *) fail "$(command -v "$python") is Python $version; piapp needs 3.11 to 3.13. Name another: make $what PYTHON=python3.13" ;;
esac

missing=()
need() { # need PACKAGE TEST...: PACKAGE is missing when TEST fails
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
library() { ldconfig -p | grep -F "$1"; }
header() { "${CC:-cc}" -E -include "$1" -x c /dev/null; }

need ca-certificates test -s /etc/ssl/certs/ca-certificates.crt
need python3-venv "$python" -c 'import ensurepip'
need libegl1 library libEGL.so.1         # MediaPipe opens these two even without a GPU
need libgles2 library libGLESv2.so.2
need libseccomp2 library libseccomp.so.2 # the filter that keeps MediaPipe from reporting usage
lock=deploy/requirements.txt
if [[ $what == test ]]; then
  lock=tests/requirements.txt
  need mosquitto test -x /usr/sbin/mosquitto # the broker that tests run against
  # What deploy/ntfy/alarm.sh runs, and the README's examples.
  need mosquitto-clients command -v mosquitto_sub
  need jq command -v jq
  need curl command -v curl
  # systemd-python and two dependencies of picamera2 have no wheels: they compile.
  need gcc command -v cc
  need libc6-dev header stdio.h
  need python3-dev test -e "$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h"
  need pkg-config command -v pkg-config
  need libsystemd-dev pkg-config --exists libsystemd
  need libcap-dev header sys/capability.h
  need systemd command -v systemd-analyze # judges the unit; the installer asks systemctl for its version
  need shellcheck command -v shellcheck # checks the shell scripts
  need strace command -v strace # traces prove what leaves the process
  need faketime command -v faketime # a wall clock that tests may set
  # A Debian guest that is booted to be the appliance; only root can.
  need systemd-container command -v systemd-nspawn
  need mmdebstrap command -v mmdebstrap
  need iproute2 command -v ip
  need chromium command -v chromium # opens the live page
  need tmux command -v tmux # the terminal that `piapp watch` is looked at in
  need ffmpeg command -v ffmpeg # makes the streams that the RTSP tests serve
fi
if ((${#missing[@]})); then
  say "system packages needed: ${missing[*]}"
  sudo=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "run as root, or install them yourself: apt-get install ${missing[*]}"
    sudo=(sudo)
  fi
  command -v apt-get >/dev/null || fail "no apt-get here; install them with your system's package manager"
  say "installing them with apt-get"
  "${sudo[@]}" apt-get update -qq
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

# The stamp holds what was installed: python's version and the lock's hash. A test environment also serves a run.
stamp=.venv/lock.sha256
stamp_of() { echo "$version $(sha256sum "$1")"; }
installed=$(cat "$stamp" 2>/dev/null || true)
if [[ $installed == "$(stamp_of "$lock")" || $installed == "$(stamp_of tests/requirements.txt)" ]]; then exit 0; fi
# venv would empty the folder that a link names, which other working trees may use, and then refuse the link.
[[ ! -L .venv ]] || fail ".venv is a link to $(readlink .venv), whose packages are not those of $lock; remove the link, or set up there"
say "installing the locked Python environment into .venv"
export PIP_CONSTRAINT=/dev/null # the lock alone decides; constraints of the machine's own pip settings could contradict it
"$python" -m venv --clear .venv
pip=(.venv/bin/python -m pip --disable-pip-version-check --quiet --quiet --retries 10)
"${pip[@]}" install --no-deps --require-hashes --requirement "$lock"
"${pip[@]}" install --no-deps --no-build-isolation --editable .
.venv/bin/python -m compileall -q piapp # pip does it for all but editable packages; a quarter of each start (measured)
stamp_of "$lock" >"$stamp"
