#!/usr/bin/env bash
# Turns a Raspberry Pi with a camera into the appliance; run again, it upgrades or repairs.
# Needs Raspberry Pi OS or Debian, 12 or 13, 64-bit. `--help` tells the options, `--dry-run` what would be done.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
  cat <<'TEXT'
usage: sudo deploy/install.sh [options]
  --broker URL       MQTT broker, such as broker.lan or mqtts://broker.example:8883 (default: mqtt://localhost)
  --source S         camera, such as picamera2: or v4l2:/dev/video0 (default: what is there)
  --set KEY=VALUE    another key of the configuration, in TOML; repeatable
                     These three are written only into a configuration that does not exist yet.
  --camera NAME=S    a further camera of this board, such as bedroom=v4l2:/dev/video2, with a service and page of its
                     own; repeatable. A name that is there already stays as it is.
  --with-broker      also install mosquitto on this machine
  --no-start         install, but do not start
  --force            build the program's environment again even if nothing changed
  --dry-run          print every step, change nothing
TEXT
}

prefix=/opt/piapp
min_free_mb=1500

# Facts about the machine are read below this folder; only tests set it.
facts=${PIAPP_FACTS:-}

me=install
# shellcheck source=systemd/service.sh
source "$here/systemd/service.sh"

broker='' source='' start=1 with_broker='' force=''
settings=() cameras=()
while (($#)); do
  case $1 in
    --broker) broker=${2:?--broker needs a URL}; shift ;;
    --source) source=${2:?--source needs a source}; shift ;;
    --set)
      [[ ${2:-} == *.*=* ]] || fail "--set ${2:-}: expected SECTION.KEY=VALUE, such as --set camera.fps=10"
      settings+=("$2")
      shift
      ;;
    --camera)
      [[ ${2:-} =~ ^[a-z][a-z0-9]{0,15}=. ]] ||
        fail "--camera ${2:-}: expected NAME=SOURCE, such as bedroom=v4l2:/dev/video2; a name has a to z and digits"
      cameras+=("$2")
      shift
      ;;
    --with-broker) with_broker=1 ;;
    --no-start) start='' ;;
    --force) force=1 ;;
    --dry-run) dry=1 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "unknown option $1" ;;
  esac
  shift
done

# --- What machine is this? -------------------------------------------------------------------------------------------

check_machine() {
  machine=${PIAPP_MACHINE:-$(uname -m)}
  case $machine in
    aarch64 | x86_64) ;;
    armv*) fail "$machine: this system is 32-bit, and there is no model runtime for it; install the 64-bit Raspberry Pi OS" ;;
    *) fail "$machine: unknown processor; piapp runs on aarch64 and x86_64" ;;
  esac
  # A 64-bit kernel under a 32-bit system, as Raspberry Pi OS (32-bit) has it.
  if [[ $machine == aarch64 && ! $facts && $(dpkg --print-architecture) != arm64 ]]; then
    fail "the kernel is 64-bit and the system is $(dpkg --print-architecture); install the 64-bit Raspberry Pi OS"
  fi
}

check_system() {
  local name codename
  [[ -r $facts/etc/os-release ]] || fail "$facts/etc/os-release cannot be read; is this Debian?"
  name=$(release PRETTY_NAME)
  codename=$(release VERSION_CODENAME)
  case $codename in
    bookworm | trixie) ;;
    *) fail "$name ($codename): expected Debian or Raspberry Pi OS 12 (bookworm) or 13 (trixie)" ;;
  esac
  [[ $dry || -d /run/systemd/system ]] || fail "systemd does not run here, and it starts and supervises piapp"
  python=$(PATH=/usr/bin:/bin command -v python3) || fail "python3 is missing: apt-get install python3"
  python_version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  case $python_version in
    3.11 | 3.12 | 3.13) ;;
    *) fail "$python is Python $python_version; piapp needs 3.11 to 3.13, which Debian 12 and 13 bring" ;;
  esac
  say "system: $name, $machine, Python $python_version"
}

release() { sed -n "s/^$1=\"\?\([^\"]*\)\"\?\$/\1/p" "$facts/etc/os-release"; }

check_board() {
  board=
  [[ -r $facts/proc/device-tree/model ]] && board=$(tr -d '\0' <"$facts/proc/device-tree/model")
  is_pi=
  [[ $board == "Raspberry Pi"* ]] && is_pi=1
  say "board: ${board:-not a Raspberry Pi}"
  local memory_mb free_mb
  memory_mb=$(($(awk '/^MemTotal/ {print $2}' "$facts/proc/meminfo") / 1024))
  ((memory_mb >= 900)) || warn "$memory_mb MB of memory; piapp needs about 300, expect little room for anything else"
  free_mb=$(df --output=avail -m /opt | tail -n 1)
  ((free_mb >= min_free_mb)) || fail "$free_mb MB free in /opt; $min_free_mb are needed: remove something, or use a larger card"
}

# MediaPipe's wheels for ARM are compiled for the atomic instructions of ARMv8.1 (LSE) and abort without them.
check_processor() {
  runtime=mediapipe
  if [[ $machine == aarch64 ]] && ! grep -q '^Features.*\batomics\b' "$facts/proc/cpuinfo"; then
    runtime=litert
    say "runtime: litert; this processor lacks the LSE atomics (ARMv8.1) without which mediapipe aborts (Pi 3, Pi 4, Zero 2 W)"
  else
    say "runtime: mediapipe"
  fi
}

check_camera() {
  [[ $source ]] || source=$(default_source "$facts")
  local found=()
  mapfile -t found < <(compgen -G "$facts/dev/video*" || true)
  ((${#found[@]})) || warn "no camera: there is no /dev/video*; connect one (and check its cable), the service waits for it"
  say "camera: ${source:-as configured}"
}

# --- Packages --------------------------------------------------------------------------------------------------------

choose_packages() {
  # python3-pip-whl, not python3-venv: that wants the very point release of Python that an offline bundle may not have.
  packages=(python3-pip-whl python3-systemd libseccomp2 ca-certificates passwd)
  # MediaPipe opens these two even without a GPU.
  [[ $runtime == mediapipe ]] && packages+=(libegl1 libgles2)
  [[ $with_broker ]] && packages+=(mosquitto)
  if [[ $source == picamera2:* || $is_pi ]]; then packages+=(python3-picamera2); fi
  return 0
}

is_installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# An offline bundle brings its packages as a small repository.
apt=(apt-get -y -q --no-install-recommends)
use_bundled_packages() {
  local lists=$scratch/lists
  mkdir -p "$lists/partial"
  echo "deb [trusted=yes] file:$here/debs ./" >"$scratch/bundle.list"
  apt+=(-o "Dir::Etc::sourcelist=$scratch/bundle.list" -o Dir::Etc::sourceparts=- -o "Dir::State::Lists=$lists"
    -o APT::Sandbox::User=root -o APT::Get::List-Cleanup=0)
}

install_packages() {
  local package missing=()
  for package in "${packages[@]}"; do is_installed "$package" || missing+=("$package"); done
  ((${#missing[@]})) || { say "system packages: all there"; return; }
  say "system packages needed: ${missing[*]}"
  [[ -d $here/debs ]] && use_bundled_packages
  export DEBIAN_FRONTEND=noninteractive
  run "${apt[@]}" update
  if [[ " ${missing[*]} " == *" python3-picamera2 "* && ! $dry ]] && ! "${apt[@]}" -s install python3-picamera2 >/dev/null 2>&1; then
    warn "python3-picamera2 is not in this system's archives; only Raspberry Pi OS has it. A USB camera works: --source v4l2:/dev/video0"
    mapfile -t missing < <(printf '%s\n' "${missing[@]}" | grep -vx python3-picamera2)
  fi
  local before after
  before=$(installed_packages)
  run "${apt[@]}" install "${missing[@]}"
  after=$(installed_packages)
  # What was not there before is what the uninstaller may take away again.
  run mkdir -p "$prefix"
  { cat "$prefix/packages" 2>/dev/null || true; comm -13 <(echo "$before") <(echo "$after"); } | sort -u | write "$prefix/packages" 644
}
installed_packages() { dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort; }

# --- The program -----------------------------------------------------------------------------------------------------

choose_target() {
  version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$here/piapp/__init__.py")
  [[ $version ]] || fail "$here/piapp/__init__.py names no version; is this a whole checkout or bundle?"
  # What decides whether the environment that is there is the one that would be built.
  stamp=$({ echo "$python_version $machine $runtime"; (cd "$here" && find piapp models deploy/requirements.txt pyproject.toml -type f \
    -not -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum); } | sha256sum | cut -d' ' -f1)
  before=$(readlink "$prefix/current" 2>/dev/null || true)
  if [[ ! $force && $before && $(cat "$prefix/$before/stamp" 2>/dev/null) == "$stamp" ]] && works "$prefix/$before"; then
    target=$before
    return
  fi
  target=$version
  local number=1
  while [[ -e $prefix/$target ]]; do target=$version-$((++number)); done
}
works() { "$1/bin/piapp" --version >/dev/null 2>&1 && "$1/bin/piapp" model verify >/dev/null 2>&1; }

requirements() { # the lock, without what this processor cannot run
  if [[ $runtime == mediapipe ]]; then cat "$here/deploy/requirements.txt"; else without mediapipe "$here/deploy/requirements.txt"; fi
  # Bookworm's simplejpeg, which picamera2 imports, is compiled for numpy 1 and breaks beside the numpy 2 of the lock.
  if [[ $python_version == 3.11 && $source == picamera2:* ]]; then only simplejpeg "$here/tests/requirements.txt"; fi
}
without() { awk -v name="$1==" '/^[^ #]/ {skip = index($0, name) == 1} !skip' "$2"; }
only() { awk -v name="$1==" '/^[^ #]/ {take = index($0, name) == 1} take' "$2"; }

# The service reports it, so that Home Assistant shows an update that is here and does not run.
note_version() { echo "$version" | write "$prefix/newest" 644; }

install_program() {
  if [[ $target == "$before" ]]; then
    say "program: $version is there and intact"
    return
  fi
  say "program: $version in $prefix/$target"
  local venv=$prefix/$target pip_wheel pip=()
  pip_wheel=$(compgen -G "/usr/share/python-wheels/pip-*.whl") || [[ $dry ]] || fail "python3-pip-whl brought no pip"
  pip=("$venv/bin/python" "${pip_wheel:-pip.whl}/pip" --disable-pip-version-check --no-input --quiet install --no-deps)
  [[ -d $here/wheels ]] && pip+=(--no-index --find-links "$here/wheels")
  [[ $dry ]] || built=$venv
  run "$python" -m venv --without-pip --system-site-packages "$venv"
  requirements >"$scratch/requirements.txt"
  run "${pip[@]}" --require-hashes --requirement "$scratch/requirements.txt"
  local wheel
  wheel=$(compgen -G "$here/wheels/piapp_node-$version-*.whl" || true)
  run "${pip[@]}" --no-build-isolation "${wheel:-$here}"
  run mkdir -p "$venv/share/piapp"
  run cp -r "$here/systemd" "$here/deploy/uninstall.sh" "$venv/share/piapp/"
  run "$venv/bin/piapp" model verify
  echo "$stamp" | write "$venv/stamp" 644
}

# --- The service -----------------------------------------------------------------------------------------------------

configure() {
  local file=$config/piapp.toml
  if [[ -e $file ]]; then
    say "configuration: $file is kept"
    if [[ $broker$source_given || ${#settings[@]} -gt 0 ]]; then warn "--broker, --source and --set are ignored: $file exists; change it there"; fi
  else
    fresh=1
    write_config ${broker:+"mqtt.url=\"$broker\""} ${source:+"camera.source=\"$source\""} "${settings[@]}"
  fi
  [[ $dry ]] || "$prefix/$target/bin/piapp" config check "$file" >&2 ||
    fail "$file does not fit version $version (see above); correct it and run this again. The service was not touched"
}

install_units() { # install_units TARGET: the unit that belongs to that version
  install_unit "$prefix/$1/share/piapp/systemd" "$prefix/current/bin/piapp"
}

switch_to() { # switch_to TARGET: in one step, so that a power cut leaves one or the other
  run ln -sfn "$1" "$prefix/current.new"
  run mv -fT "$prefix/current.new" "$prefix/current"
  run mkdir -p /usr/local/bin
  run ln -sfn "$prefix/current/bin/piapp" /usr/local/bin/piapp
}

start_service() {
  if [[ ! $start ]]; then
    run systemctl daemon-reload
    run systemctl enable --quiet piapp.service
    say "installed; start it with: systemctl start piapp"
    return
  fi
  start_and_wait && return
  if [[ $was_active && $before && $before != "$target" ]]; then go_back; fi
  fail "piapp is installed and does not run; see above, and \`piapp check\`. It goes on trying unless its configuration is wrong"
}

add_cameras() {
  local camera starting=--start
  [[ $start ]] || starting=--no-start
  for camera in "${cameras[@]}"; do
    if [[ -e $config/${camera%%=*}/piapp.toml ]]; then
      say "camera ${camera%%=*}: $config/${camera%%=*}/piapp.toml is kept"
    else
      run "$prefix/current/bin/piapp" service add "${camera%%=*}" --source "${camera#*=}" "$starting"
    fi
  done
}

go_back() {
  say "going back to $before"
  install_units "$before"
  switch_to "$before"
  restart_units
  run rm -rf "${prefix:?}/$target"
  if healthy piapp.service; then fail "the upgrade failed and version $before runs again"; fi
  fail "the upgrade failed, and version $before, which ran before, does not start any more; see: systemctl status piapp"
}

remove_older_versions() {
  local folder
  for folder in "$prefix"/*/; do
    folder=$(basename "$folder")
    case $folder in
      '*' | current | "$target") ;;
      *) run rm -rf "${prefix:?}/$folder" ;;
    esac
  done
}

tell_what_is_next() {
  if [[ $dry ]]; then
    say "nothing was changed"
  elif [[ $fresh && ! $broker && -t 0 && -t 1 ]]; then
    # A first installation by hand that named no broker: in a browser, or with the questions here.
    say_invitation
    "$prefix/current/bin/piapp" setup
  else
    say_invitation
    say "installed. Broker, login, name and room: sudo piapp setup. Look on: journalctl -fu piapp"
  fi
}

# --- In order --------------------------------------------------------------------------------------------------------

scratch=$(mktemp -d)
built=
finish() {
  local code=$?
  rm -rf "$scratch"
  # A half-built environment must not be mistaken for a version.
  if [[ $code != 0 && $built && $(readlink "$prefix/current" 2>/dev/null) != "$(basename "$built")" ]]; then rm -rf "$built"; fi
}
trap finish EXIT

source_given=$source
fresh=
broker=$(broker_address "$broker")
check_machine
check_system
check_board
check_processor
check_camera
[[ $dry || $EUID == 0 ]] || fail "this needs root: sudo $0"
if [[ -f $here/SHA256SUMS ]]; then
  (cd "$here" && sha256sum --check --quiet SHA256SUMS) || fail "the bundle is damaged; copy it again"
fi
was_active=
[[ $facts || $(systemctl is-active piapp.service 2>/dev/null) != active ]] || was_active=1
choose_packages
install_packages
choose_target
install_program
create_user
configure
install_units "$target"
allow_peers "$prefix/$target/bin/python"
note_version
switch_to "$target"
if [[ $fresh && ! $broker ]]; then open_setup_page "$prefix/current/bin/piapp"; fi
start_service
remove_older_versions
add_cameras
tell_what_is_next
