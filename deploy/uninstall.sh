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
units=/etc/systemd/system
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

say() { printf 'uninstall: %s\n' "$*" >&2; }
run() {
  printf '+ %s\n' "${*@Q}" >&2
  [[ $dry ]] || "$@"
}
[[ $dry || $EUID == 0 ]] || { say "ERROR: this needs root: sudo $0"; exit 1; }

remove_service() {
  if systemctl cat piapp.service >/dev/null 2>&1; then
    run systemctl disable --now --quiet piapp.service
    run systemctl reset-failed piapp.service 2>/dev/null || true
  fi
  run rm -f "$units/piapp.service"
  if [[ $keep_config ]]; then
    run rm -f "$units/piapp.service.d/backoff.conf"
    [[ $dry || ! -d $units/piapp.service.d ]] || rmdir --ignore-fail-on-non-empty "$units/piapp.service.d"
  else
    run rm -rf "$units/piapp.service.d"
  fi
  run systemctl daemon-reload
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

remove_user() {
  if getent passwd piapp >/dev/null; then run userdel piapp; fi
  if getent group piapp >/dev/null; then run groupdel piapp; fi
}

remove_service
remove_packages
remove_files
remove_user
say "done${keep_config:+; /etc/piapp is kept}"
