#!/usr/bin/env bash
# Takes the appliance away again: service, program, state, user, and the system packages that install.sh brought and
# nothing else needs. The journal keeps what it holds.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: sudo deploy/uninstall.sh [--keep-config] [--keep-packages] [--dry-run]
  --keep-config    leave /etc/piapp and the unit's drop-ins
  --keep-packages  leave the system packages that install.sh installed
  --dry-run        print every step, change nothing
TEXT
}

prefix=/opt/piapp
keep_config='' keep_packages='' dry=
for option in "$@"; do
  case $option in
    --keep-config) keep_config=1 ;;
    --keep-packages) keep_packages=1 ;;
    --dry-run) dry=1 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done

me=uninstall
# Beside this file in the program's folder, and in a checkout.
for steps in "$(dirname "$0")/systemd/service.sh" "$(dirname "$0")/../systemd/service.sh"; do
  # shellcheck source=systemd/service.sh
  if [[ -r $steps ]]; then source "$steps"; break; fi
done
[[ $dry || $EUID == 0 ]] || { say "ERROR: this needs root: sudo $0"; exit 1; }

remove_unit() {
  if [[ $keep_config ]]; then
    remove_service ''
  else
    remove_service purge
  fi
}

# Of the packages that came with us those that apt would remove by itself, once they count as not asked for.
remove_packages() {
  local ours=() unneeded=()
  mapfile -t ours < <(cat "$prefix/packages" 2>/dev/null || true)
  if [[ $keep_packages || ${#ours[@]} -eq 0 ]]; then return; fi
  mapfile -t ours < <(for package in "${ours[@]}"; do dpkg-query -W -f '${Package}\n' "$package" 2>/dev/null; done)
  ((${#ours[@]})) || return 0
  run apt-mark auto "${ours[@]}"
  mapfile -t unneeded < <(comm -12 <(printf '%s\n' "${ours[@]}" | sort) <(removable))
  if ((${#unneeded[@]})); then
    run env DEBIAN_FRONTEND=noninteractive apt-get -y -q purge "${unneeded[@]}"
  fi
}

# What nobody depends on; that some package suggests it is no reason to keep what was not there before.
removable() {
  apt-get -s -o APT::AutoRemove::RecommendsImportant=false -o APT::AutoRemove::SuggestsImportant=false autoremove |
    sed -n 's/^Remv \([^ ]*\).*/\1/p' | sort
}

remove_files() {
  run rm -f /usr/local/bin/piapp
  run rm -rf "$prefix" /var/lib/piapp /run/piapp
  if [[ ! $keep_config ]]; then run rm -rf /etc/piapp; fi
}

remove_unit
remove_packages
remove_files
remove_user
if [[ $dry ]]; then say "nothing was changed"; else say "done${keep_config:+; /etc/piapp is kept}"; fi
