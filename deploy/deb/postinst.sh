# shellcheck shell=bash disable=SC2154

prefix=/opt/piapp
# What the service, its page and the command line import; bytecode of the rest would take 15 MB of the card for commands
# that are rarely called.
compiled=(piapp ai_edge_litert anyio av click cv2 flatbuffers h11 msgspec numpy paho psutil rich starlette typer uvicorn
  websockets pyseccomp.py typing_extensions.py)

switch_to() { # in one step, so that a power cut leaves one or the other
  ln -sfn "$1" "$prefix/current.new"
  mv -fT "$prefix/current.new" "$prefix/current"
}

install_version() { # install_version FOLDER: its unit, and the link that the unit runs
  install_unit "$prefix/$1/share/piapp/systemd" "$prefix/current/bin/piapp"
  switch_to "$1"
}

remove_other_versions() {
  local found
  for found in "$prefix"/*/; do
    found=$(basename "$found")
    case $found in
      current | mediapipe | "$version") ;;
      *) rm -rf "${prefix:?}/$found" ;;
    esac
  done
  # What deploy/install.sh had left there.
  rm -f "$prefix/packages"
  if [[ -L /usr/local/bin/piapp ]]; then rm -f /usr/local/bin/piapp; fi
}

go_back() {
  [[ -d $prefix/before ]] || fail "piapp does not run, and there is no version to go back to; see above, and \`piapp check\`"
  say "going back to the version before"
  install_version before
  restart_units
  if healthy piapp.service; then fail "the upgrade failed and the version before runs again"; fi
  fail "the upgrade failed, and the version before does not start any more; see: systemctl status piapp"
}

save_space() { # bytecode of what is imported alone; and the zeros in libraries take no blocks, where the file system knows holes
  (cd "$prefix/$version"/lib/python*/site-packages && "$prefix/$version/bin/python" -P -m compileall -q "${compiled[@]}") || true
  find "$prefix/$version" -name '*.so*' -type f -exec fallocate --dig-holes {} \; 2>/dev/null || true
}

configure() {
  local source active='' fresh=''
  create_user
  if [[ ! -e $config/piapp.toml ]]; then
    fresh=1
    source=$(default_source)
    write_config ${source:+"camera.source=\"$source\""}
  fi
  save_space
  "$prefix/$version/bin/piapp" config check "$config/piapp.toml" >&2 ||
    fail "$config/piapp.toml does not fit this version (see above); correct it, then: dpkg --configure piapp. The service was not touched"
  if [[ -e /run/piapp-was-active ]]; then
    active=1
    rm -f /run/piapp-was-active
  elif [[ -d /run/systemd/system ]] && systemctl is-active --quiet piapp.service; then
    active=1
  fi
  install_version "$version"
  allow_peers "$prefix/$version/bin/python"
  # In a chroot, as when an image is made, there is nothing to start now.
  if [[ ! -d /run/systemd/system ]]; then
    systemctl enable --quiet piapp.service
  elif [[ $active ]]; then
    start_and_wait || go_back
  else
    systemctl enable --quiet piapp.service
    # Without a camera the service ends again and again, and the page with it.
    [[ ! $source ]] || open_setup_page "$prefix/current/bin/piapp"
    restart_units
    say_invitation
    if [[ $fresh && ! $source ]]; then
      say "no camera was found, and the service waits for one; \`sudo piapp setup\` asks for it, and for broker, login, name and room"
    else
      say "the service was started; \`sudo piapp setup\` asks for broker, login, name and room, \`sudo piapp check\` finds what is wrong"
    fi
  fi
  remove_other_versions
}

if [[ ${1:-} == configure ]]; then configure; fi
exit 0
