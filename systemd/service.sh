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
quoted() { # quoted WORD...: as a shell would read them, with quotes only where they are needed
  local word words=()
  for word in "$@"; do
    if [[ $word =~ ^[[:alnum:]_@%+=:,./-]+$ ]]; then words+=("$word"); else words+=("${word@Q}"); fi
  done
  printf '%s' "${words[*]}"
}
run() { # run COMMAND...: say it, and do it unless this is a dry run
  printf '+ %s\n' "$(quoted "$@")" >&2
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

further_cameras() { # names of the cameras beside the first: each has a folder with a configuration of its own
  local file name
  for file in "$config"/*/piapp.toml; do
    name=$(basename "$(dirname "$file")")
    if [[ -e $file && $name =~ ^[a-z][a-z0-9]{0,15}$ && $name != tls ]]; then echo "$name"; fi
  done
}

enabled_units() { # the unit of the first camera, and those of further cameras that start at boot
  local name
  echo piapp.service
  for name in $(further_cameras); do
    if systemctl is-enabled --quiet "piapp@$name.service" 2>/dev/null; then echo "piapp@$name.service"; fi
  done
}

install_unit() { # install_unit FOLDER COMMAND: the units of that folder, to run that command
  run install -d -m 755 "$units"
  # The same text twice: what an instance has of its own is in a drop-in.
  write_unit "$1" "$2" piapp.service
  # A version to which an upgrade goes back may know one camera alone.
  if [[ -e $1/piapp@.service.d/instance.conf ]]; then
    write_unit "$1" "$2" piapp@.service
    run install -D -m 644 "$1/piapp@.service.d/instance.conf" "$units/piapp@.service.d/instance.conf"
  fi
  install_backoff "$1"
}

write_unit() { # write_unit FOLDER COMMAND NAME: that folder's unit under a name, to run that command
  if [[ $dry ]]; then
    run install -m 644 "$1/piapp.service" "$units/$3"
  else
    sed "s#^ExecStart=.*#ExecStart=$2 run#" "$1/piapp.service" | write "$units/$3" 644
  fi
}

install_backoff() { # install_backoff FOLDER: growing pauses between restarts, where systemd knows the keys
  local version
  # A dry run may look at a machine without systemd.
  version=$(systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p' || true)
  ((${version:-0} >= 254)) || return 0
  run install -D -m 644 "$1/piapp.service.d/backoff.conf" "$units/piapp.service.d/backoff.conf"
  run install -D -m 644 "$1/piapp.service.d/backoff.conf" "$units/piapp@.service.d/backoff.conf"
}

allow_peers() { # allow_peers PYTHON: drop-ins that let each camera's service reach what is outside local networks
  local name
  allow_peers_of "$1" "$config/piapp.toml" piapp.service
  for name in $(further_cameras); do allow_peers_of "$1" "$config/$name/piapp.toml" "piapp@$name.service"; done
}

allow_peers_of() { # allow_peers_of PYTHON CONFIGURATION UNIT: the drop-in for its broker and camera
  local file=$units/$3.d/broker.conf text
  run install -d -m 755 "$units/$3.d"
  if [[ $dry ]]; then
    printf '+ write %s when the broker or the camera is not in a local network\n' "$file" >&2
  elif text=$("$1" -m piapp.operate.allow_list "$2") && [[ $text ]]; then
    write "$file" 644 <<<"$text"
  else
    rm -f "$file"
  fi
}

declare -A run_before # by unit, the run that was there when it was last started afresh
restart_afresh() { # restart_afresh UNIT...: without waiting for them; `healthy` judges the runs that begin now
  local unit
  for unit in "$@"; do run_before[$unit]=$(systemctl show -P InvocationID "$unit" 2>/dev/null || true); done
  run systemctl restart --no-block "$@"
}

healthy() { # healthy UNIT: within health_s its new run is ready, which it says after the first frame went through the model
  local until=$((SECONDS + health_s)) state
  while ((SECONDS < until)); do
    # Until systemd comes to the restart, state and result are those of the run before.
    if [[ $(systemctl show -P InvocationID "$1") != "${run_before[$1]}" ]]; then
      state=$(systemctl show -P ActiveState "$1")
      [[ $state == active ]] && return
      # Exit codes 78 and 2 are final: systemd does not try again.
      [[ $state == failed ]] && return 1
    fi
    sleep 1
  done
  return 1
}

start_unit() { # start_unit UNIT: enable it, start it afresh and wait for its first result; fails when none comes
  run systemctl daemon-reload
  run systemctl enable --quiet "$1"
  restart_afresh "$1"
  [[ $dry ]] && return
  say "waiting up to $health_s s for the first result of $1"
  if healthy "$1"; then
    say "running: $(systemctl show -P StatusText "$1")"
    return
  fi
  say "not healthy: $(systemctl show -P StatusText "$1")"
  journalctl --unit="$1" --lines=15 --no-pager --output=cat >&2 || true
  return 1
}

start_and_wait() { # the same for the first camera and each further one that ran; fails when one of these does not
  local name unit running=() unready=()
  for name in $(further_cameras); do
    unit=piapp@$name.service
    case $(systemctl show -P ActiveState "$unit" 2>/dev/null) in
      active) running+=("$unit") ;;
      activating) unready+=("$unit") ;;
    esac
  done
  start_unit piapp.service || return 1
  for unit in "${running[@]}"; do start_unit "$unit" || return 1; done
  # One that was not well before, or only just starts, does not decide; yet it is to run this version.
  if ((${#unready[@]})); then restart_afresh "${unready[@]}"; fi
}

restart_units() { # start all cameras afresh, after another version has taken the place of one that does not run
  local names
  mapfile -t names < <(enabled_units)
  run systemctl daemon-reload
  restart_afresh "${names[@]}"
}

restart_service() { # restart_service PYTHON: with the configuration as it is now
  allow_peers "$1"
  start_and_wait || fail "the service does not run; see above, and \`piapp check\`. It goes on trying unless its configuration is wrong"
}

broker_address() { # broker_address TEXT: with a scheme; whoever types a host means plain MQTT, with port 8883 the encrypted one
  case $1 in
    *://* | '') printf '%s' "$1" ;;
    *:8883) printf 'mqtts://%s' "$1" ;;
    *) printf 'mqtt://%s' "$1" ;;
  esac
}

invitation=
open_setup_page() { # open_setup_page COMMAND: have the node's next start serve the page to set it up, for an hour and with a code
  run install -d -m 750 -o piapp -g piapp "$state"
  if [[ $dry ]]; then
    run "$1" setup-page
  else
    invitation=$("$1" setup-page) || warn "the page to set this node up stays closed (see above)"
  fi
}
say_invitation() { [[ ! $invitation ]] || printf '%s\n' "$invitation" >&2; }

stop_service() {
  local name
  for name in $(further_cameras); do stop_unit "piapp@$name.service"; done
  stop_unit piapp.service
}

stop_unit() {
  if systemctl cat "$1" >/dev/null 2>&1; then
    run systemctl disable --now --quiet "$1"
    run systemctl reset-failed "$1" 2>/dev/null || true
  fi
}

add_camera() { # add_camera NAME PYTHON START: the service of a further camera, whose configuration is there
  local unit=piapp@$1.service
  [[ $dry || -e $units/piapp@.service ]] ||
    fail "$units/piapp@.service is missing; install this version again, which brings it"
  [[ -e $config/$1/camera_password ]] || write "$config/$1/camera_password" 600 </dev/null
  allow_peers_of "$2" "$config/$1/piapp.toml" "$unit"
  if [[ $3 ]]; then
    start_unit "$unit" || fail "$unit does not run; see above. It goes on trying unless its configuration is wrong"
  else
    run systemctl daemon-reload
    run systemctl enable --quiet "$unit"
  fi
}

remove_camera() { # remove_camera NAME PURGE: its service; configuration and state too when PURGE is not empty
  stop_unit "piapp@$1.service"
  run rm -rf "$units/piapp@$1.service.d"
  if [[ $2 ]]; then run rm -rf "${config:?}/$1" "${state:?}/$1"; fi
  run systemctl daemon-reload
}

install_service() { # install_service COMMAND START SETTING...: all of it, for a piapp that is installed already
  local command=$1 start=$2 here fresh=
  shift 2
  here=$(dirname "${BASH_SOURCE[0]}")
  create_user
  if [[ -e $config/piapp.toml ]]; then
    say "configuration: $config/piapp.toml is kept"
  else
    write_config "$@"
    [[ " $*" == *" mqtt.url="* ]] || fresh=1
  fi
  [[ $dry ]] || "$command" config check "$config/piapp.toml" >&2 || fail "$config/piapp.toml is not accepted (see above)"
  [[ ! $fresh ]] || open_setup_page "$command"
  install_unit "$here" "$command"
  allow_peers "$(dirname "$command")/python"
  if [[ $start ]]; then
    start_and_wait || fail "the service does not run; see above, and \`piapp check\`. It goes on trying unless its configuration is wrong"
  else
    run systemctl daemon-reload
    run systemctl enable --quiet piapp.service
  fi
  say_invitation
}

remove_service() { # remove_service PURGE: configuration, state and user too when PURGE is not empty
  stop_service
  remove_units
  if [[ $1 ]]; then
    run rm -rf "$units"/piapp.service.d "$units"/piapp@*.service.d "$config" "$state" /run/piapp /run/piapp-*
    remove_user
  fi
  run systemctl daemon-reload
}

remove_units() { # the units, and the drop-ins that came with them
  local folder
  run rm -f "$units/piapp.service" "$units/piapp@.service" "$units/piapp@.service.d/instance.conf"
  for folder in "$units/piapp.service.d" "$units/piapp@.service.d"; do
    run rm -f "$folder/backoff.conf"
    [[ $dry || ! -d $folder ]] || rmdir --ignore-fail-on-non-empty "$folder"
  done
}
