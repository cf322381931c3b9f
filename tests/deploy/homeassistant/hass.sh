#!/usr/bin/env bash
# Runs the Home Assistant that setup.sh has made, in a mount namespace of its own; ends with it.
# usage: hass.sh ROOT CONFIG_FOLDER    (root)
set -euo pipefail
root=${1:?usage: hass.sh ROOT CONFIG_FOLDER} config=${2:?usage: hass.sh ROOT CONFIG_FOLDER}
mkdir -p "$root/config"
# shellcheck disable=SC2016  # the inner bash expands these
# Without a new process: whoever started this ends Home Assistant itself.
exec unshare --mount --propagation private bash -euc '
  mount -t proc proc "$0/proc"
  mount --rbind /dev "$0/dev"
  mount --bind "$1" "$0/config"
  exec chroot "$0" env --ignore-environment PATH=/opt/homeassistant/bin:/usr/bin:/bin HOME=/root LANG=C.UTF-8 \
    /opt/homeassistant/bin/hass --skip-pip --config /config
' "$root" "$config"
