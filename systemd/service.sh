# The steps that make a machine run piapp as a service, and take it away again. deploy/install.sh, the Debian package's
# maintainer scripts and `piapp service` share them. For bash; sourced, not run.
# shellcheck shell=bash

config=/etc/piapp
units=/etc/systemd/system
state=/var/lib/piapp
health_s=${PIAPP_HEALTH_S:-120}
me=${me:-piapp}
dry=${dry:-}

say() { printf '%s: %s\n' "$me" "$*" >&2; }
warn() { say "WARNING: $*"; }
fail() {
  say "ERROR: $*"
  exit 1
}
run() { # run COMMAND...: say it, and do it unless this is a dry run
  printf '+ %s\n' "${*@Q}" >&2
  [[ $dry ]] || "$@"
}
write() { # write FILE MODE: standard input becomes the file's content
  printf '+ write %s\n' "$1" >&2
  if [[ $dry ]]; then
    cat >/dev/null
  else
    cat >"$1.new"
    chmod "$2" "$1.new"
    mv -f "$1.new" "$1"
  fi
}

create_user() {
  if ! getent passwd piapp >/dev/null; then
    run useradd --system --user-group --no-create-home --home-dir "$state" --shell /usr/sbin/nologin piapp
  fi
  run install -d -m 755 "$config"
  # Certificates and a key for the broker, put there by the owner; the group is new when the user is.
  run install -d -m 750 -g piapp "$config/tls"
  run chgrp -R piapp "$config/tls"
  # systemd hands them to the service alone; a file that is empty means that there is no such secret.
  local secret
  for secret in mqtt_password camera_password preview_token; do
    [[ -e $config/$secret ]] || write "$config/$secret" 600 </dev/null
  done
}

remove_user() {
  if getent passwd piapp >/dev/null; then run userdel piapp; fi
  if getent group piapp >/dev/null; then run groupdel piapp; fi
}

write_config() { # write_config SECTION.KEY=VALUE...: a configuration with these settings, where there is none
  {
    echo "# The configuration of this node. Only what differs from the defaults stands here;"
    echo "# \`piapp config default\` prints every key with its default and meaning, \`piapp check\` finds what is wrong."
    echo "# After a change: sudo systemctl restart piapp"
    tables "$@"
  } | write "$config/piapp.toml" 644
}

tables() { # tables SECTION.KEY=VALUE...: as TOML, one table a section
  local setting section last=
  printf '%s\n' "$@" | sort | while IFS= read -r setting; do
    [[ $setting == *.*=* ]] || continue
    section=${setting%%=*}
    section=${section%.*}
    [[ $section == "$last" ]] || printf '\n[%s]\n' "$section"
    last=$section
    setting=${setting#"$section."}
    printf '%s = %s\n' "${setting%%=*}" "${setting#*=}"
  done
}

default_source() { # what this machine's camera is, by what can be found out without opening it; empty for none
  local facts=${1:-} board=
  [[ -r $facts/proc/device-tree/model ]] && board=$(tr -d '\0' <"$facts/proc/device-tree/model")
  if [[ $board == "Raspberry Pi"* ]]; then
    echo picamera2:
  elif [[ -e $facts/dev/video0 ]]; then
    echo v4l2:/dev/video0
  fi
}

install_unit() { # install_unit FOLDER COMMAND: the unit of that folder, to run that command
  run install -d -m 755 "$units"
  if [[ $dry ]]; then
    run install -m 644 "$1/piapp.service" "$units/piapp.service"
  else
    sed "s#^ExecStart=.*#ExecStart=$2 run#" "$1/piapp.service" | write "$units/piapp.service" 644
  fi
  install_backoff "$1"
}

install_backoff() { # install_backoff FOLDER: growing pauses between restarts, where systemd knows the keys
  local version
  # A dry run may look at a machine without systemd.
  version=$(systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p' || true)
  if ((${version:-0} >= 254)); then
    run install -D -m 644 "$1/piapp.service.d/backoff.conf" "$units/piapp.service.d/backoff.conf"
  fi
}

allow_peers() { # allow_peers PYTHON: the drop-in that lets the service reach a broker or camera outside local networks
  run install -d -m 755 "$units/piapp.service.d"
  local file=$units/piapp.service.d/broker.conf text
  if [[ $dry ]]; then
    printf '+ write %s when the broker or the camera is not in a local network\n' "$file" >&2
  elif text=$("$1" -m piapp.operate.allow_list "$config/piapp.toml") && [[ $text ]]; then
    write "$file" 644 <<<"$text"
  else
    rm -f "$file"
  fi
}

healthy() { # within health_s the service is ready, which it says after the first frame went through the model
  local until=$((SECONDS + health_s))
  while ((SECONDS < until)); do
    [[ $(systemctl show -P ActiveState piapp) == active ]] && return
    # Exit codes 78 and 2 are final: systemd does not try again.
    [[ $(systemctl show -P ActiveState piapp) == failed ]] && return 1
    sleep 1
  done
  return 1
}

start_and_wait() { # enable the service, start it afresh and wait for its first result; fails when none comes
  run systemctl daemon-reload
  run systemctl enable --quiet piapp.service
  run systemctl restart --no-block piapp.service
  [[ $dry ]] && return
  say "waiting up to $health_s s for the first result"
  if healthy; then
    say "running: $(systemctl show -P StatusText piapp)"
    return
  fi
  say "not healthy: $(systemctl show -P StatusText piapp)"
  journalctl --unit=piapp --lines=15 --no-pager --output=cat >&2 || true
  return 1
}

stop_service() {
  if systemctl cat piapp.service >/dev/null 2>&1; then
    run systemctl disable --now --quiet piapp.service
    run systemctl reset-failed piapp.service 2>/dev/null || true
  fi
}

install_service() { # install_service COMMAND START SETTING...: all of it, for a piapp that is installed already
  local command=$1 start=$2 here
  shift 2
  here=$(dirname "${BASH_SOURCE[0]}")
  create_user
  if [[ -e $config/piapp.toml ]]; then
    say "configuration: $config/piapp.toml is kept"
  else
    write_config "$@"
  fi
  [[ $dry ]] || "$command" config check "$config/piapp.toml" >&2 || fail "$config/piapp.toml is not accepted (see above)"
  install_unit "$here" "$command"
  allow_peers "$(dirname "$command")/python"
  if [[ $start ]]; then
    start_and_wait || fail "the service does not run; see above, and \`piapp check\`. It goes on trying unless its configuration is wrong"
  else
    run systemctl daemon-reload
    run systemctl enable --quiet piapp.service
  fi
}

remove_service() { # remove_service PURGE: configuration, state and user too when PURGE is not empty
  stop_service
  run rm -f "$units/piapp.service" "$units/piapp.service.d/backoff.conf"
  [[ $dry || ! -d $units/piapp.service.d ]] || rmdir --ignore-fail-on-non-empty "$units/piapp.service.d"
  if [[ $1 ]]; then
    run rm -rf "$units/piapp.service.d" "$config" "$state" /run/piapp
    remove_user
  fi
  run systemctl daemon-reload
}
