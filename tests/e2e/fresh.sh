#!/usr/bin/env bash
# Proves `make demo` and `make test` on a fresh machine: a minimal Debian 12 that has git, make and python3 and nothing
# else, as root, with a clone of the committed HEAD in an empty folder and nothing next to it.
# usage: tests/e2e/fresh.sh [TARGET...]      (default: demo test; needs root and mmdebstrap)
# This machine's way to packages (apt and pip settings, proxies, certificates) is lent to the fresh one; every mount
# lives in a mount namespace of its own, so none is left behind. Kept for the next time: .cache/fresh-base.tar.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf 'fresh: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

base=$PWD/.cache/fresh-base.tar
passed=(TERM=dumb HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)

apt_settings() { apt-config dump 2>/dev/null | grep -E '^Acquire::(http|https|Check-|Retries|ForceIP|IndexTargets)' || true; }
pip_settings() { python3 -m pip config list 2>/dev/null || true; }
pip_files() { python3 -m pip config debug 2>/dev/null | sed -n 's/^ *\(\/.*\), exists: True$/\1/p' || true; }
lent_folders() { # local folders that pip's settings name; with an index (file://) the folder that it stands in
  { pip_settings; env | grep '^PIP_' || true; } | grep -oE '(file://)?/[^ '"'"'"]+' | sort -u |
    while read -r place; do
      [[ $place == file://* ]] && place=$(dirname "${place#file://}")
      if [[ -d $place && $place != / ]]; then echo "$place"; fi
    done
}

lent_files() { # files that pip's settings name, such as one of constraints
  { pip_settings; env | grep '^PIP_' || true; } | grep -oE '=.?/[^ '"'"'"]+' | grep -oE '/.*' | sort -u |
    while read -r place; do
      if [[ -f $place ]]; then echo "$place"; fi
    done
}

build_base() {
  [[ -s $base ]] && return
  command -v mmdebstrap >/dev/null || fail "mmdebstrap is missing: apt-get install mmdebstrap"
  say "building a minimal Debian 12 (kept in .cache)"
  local options=() line
  while IFS= read -r line; do options+=(--aptopt="$line"); done < <(apt_settings)
  mkdir -p .cache
  # mmdebstrap has been seen to leave its /proc mounted: in a namespace of its own it cannot.
  unshare --mount --propagation private mmdebstrap --quiet --format=tar --variant=minbase --include=git,make,python3,ca-certificates "${options[@]}" \
    bookworm "$base.part"
  mv "$base.part" "$base"
}

lend() { # lend PATH: the same file or folder, at the same place in the fresh root
  [[ -e $1 ]] || return 0
  mkdir -p "$root$(dirname "$1")"
  cp -aL "$1" "$root$(dirname "$1")/"
}

prepare() {
  tar --extract --file "$base" --directory "$root" --exclude='./dev/*'
  local path name
  for path in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt /usr/local/share/ca-certificates; do
    lend "$path"
  done
  while read -r path; do lend "$path"; done < <(pip_files; lent_files)
  apt_settings >"$root/etc/apt/apt.conf.d/90lent"
  for name in $(compgen -e); do
    case $name in
      PIP_* | *_proxy | *_PROXY | SSL_CERT_FILE | SSL_CERT_DIR | REQUESTS_CA_BUNDLE) passed+=("$name=${!name}") ;;
    esac
  done
  git bundle create --quiet "$root/root/piapp.bundle" HEAD
}

inside() { env --ignore-environment "${passed[@]}" chroot "$root" /bin/bash -euo pipefail -c "$1"; }

mount_all() {
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --rbind /dev "$root/dev"
  local folder
  while read -r folder; do
    mkdir -p "$root$folder"
    mount --bind -o ro "$folder" "$root$folder"
  done < <(lent_folders)
}

run_targets() {
  mount_all
  inside 'mkdir /root/work && cd /root/work && git clone --quiet /root/piapp.bundle piapp && rm /root/piapp.bundle'
  local target started failed=0
  for target in "$@"; do
    say "make $target"
    started=$SECONDS
    inside "cd /root/work/piapp && make $target" </dev/null || failed=1
    say "make $target took $((SECONDS - started)) s, $([[ $failed == 0 ]] && echo passed || echo FAILED)"
    [[ $failed == 0 ]] || return 1
  done
}

if [[ ${1:-} == --in-namespace ]]; then
  root=$2
  shift 2
  prepare
  run_targets "$@"
  exit
fi

((EUID == 0)) || fail "needs root for chroot and mounts: sudo $0"
targets=("$@")
((${#targets[@]})) || targets=(demo test)
build_base
root=$(mktemp --directory "$PWD/.cache/fresh-XXXXXX")
# A process namespace, too: whatever a target leaves running ends with it, and all of it when this script is ended.
unshare --mount --propagation private --pid --fork --kill-child tests/e2e/fresh.sh --in-namespace "$root" "${targets[@]}" &
unshared=$!
trap 'kill -KILL "$unshared" 2>/dev/null || true; rm --recursive --force --one-file-system "$root"' EXIT
trap 'exit 143' INT TERM
wait "$unshared"
say "passed: ${targets[*]}"
