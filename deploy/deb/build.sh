#!/usr/bin/env bash
# Makes the Debian packages piapp and piapp-mediapipe for one Debian release and processor, on any machine: wheels are
# only downloaded and unpacked, nothing is compiled or run for that processor.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

usage() {
  cat <<'TEXT'
usage: deploy/deb/build.sh [options]
  --suite NAME   bookworm or trixie (default: trixie)
  --arch NAME    arm64 or amd64 (default: arm64)
  --keep DIR     keep downloads there and take them from there, as long as the lock is the same
  --output DIR   default: dist
  --fast         compress little, for tests
Needs pip of the project's environment (.venv) and dpkg-deb.
TEXT
}
say() { printf 'deb: %s\n' "$*" >&2; }
fail() {
  say "ERROR: $*"
  exit 1
}

suite=trixie arch=arm64 output=$here/dist keep='' compression=(-Zxz -z2)
while (($#)); do
  case $1 in
    --suite) suite=${2:?--suite needs a name}; shift ;;
    --arch) arch=${2:?--arch needs a name}; shift ;;
    --keep) keep=${2:?--keep needs a folder}; shift ;;
    --output) output=${2:?--output needs a folder}; shift ;;
    --fast) compression=(-Zgzip -z1) ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "unknown option $1" ;;
  esac
  shift
done
# shellcheck source=deploy/wheels.sh
source "$here/deploy/wheels.sh"
choose_platform
pip=("$here/.venv/bin/python" -m pip --disable-pip-version-check --quiet)
"${pip[@]}" --version >/dev/null 2>&1 || fail "there is no .venv; make it with: deploy/setup.sh run"

declare -A releases=([bookworm]=12 [trixie]=13)
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$here/piapp/__init__.py")
mediapipe_version=$(sed -n 's/^mediapipe==\([^ ]*\).*/\1/p' "$here/deploy/requirements.txt")
revision=1~deb${releases[$suite]}
maintainer=${PIAPP_MAINTAINER:-The piapp maintainers <piapp@users.noreply.example.org>}
# The same source gives the same packages: nothing in them is younger than the last change.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct 2>/dev/null || stat -c %Y "$here/CHANGELOG.md")}
export SOURCE_DATE_EPOCH

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
program=$scratch/piapp runtime=$scratch/piapp-mediapipe
folder=opt/piapp/$version-deb
packages_of_it=$folder/lib/python$python/site-packages
# One folder for all versions of piapp: what of MediaPipe is there is found by a line in the environment.
mediapipe_packages=opt/piapp/mediapipe/python$python

# What only MediaPipe and the drawing of timelines need.
only_mediapipe='^(absl-py|certifi|contourpy|cycler|fonttools|kiwisolver|matplotlib|mediapipe|packaging|pillow|pyparsing|python-dateutil|sounddevice)=='

collect_wheels() {
  "$here/.venv/bin/python" "$here/deploy/python/build.py" "$scratch/python"
  local select=("$here/.venv/bin/python" "$here/deploy/select_lock.py")
  "${select[@]}" "$scratch/python/piapp-node-$version-requirements.txt" "$python" "$machine" >"$scratch/all.txt"
  # Bookworm's simplejpeg, which picamera2 imports, is compiled for numpy 1 and breaks beside the numpy 2 of the lock.
  [[ $suite != bookworm ]] || "${select[@]}" "$here/tests/requirements.txt" "$python" "$machine" simplejpeg >>"$scratch/all.txt"
  grep -v '^piapp-node==' "$scratch/all.txt" >"$scratch/lock.txt"
  fetch "deb-wheels-$suite-$arch-$(sha256sum "$scratch/lock.txt" | cut -c1-16)" "$scratch/wheels" download
  cp "$scratch"/python/*.whl "$scratch/wheels/"
  grep -E "$only_mediapipe" "$scratch/all.txt" >"$scratch/runtime.txt"
  grep -vE "$only_mediapipe" "$scratch/all.txt" >"$scratch/program.txt"
}
download() { download_wheels "$scratch/wheels" "$scratch/lock.txt"; }

# pip would compare with the Python that it runs on; the download has compared with the right one.
unpack() { # unpack LOCK FOLDER
  "${pip[@]}" install --ignore-requires-python --no-deps --no-index --no-compile --require-hashes --find-links "$scratch/wheels" "${platforms[@]}" \
    --requirement "$1" --target "$2"
  rm -rf "${2:?}/bin" "$2/share"
  "$here/.venv/bin/python" "$here/deploy/prune.py" "$2"
  "$here/.venv/bin/python" "$here/deploy/deb/strip.py" "$2"
}

# OpenCV's wheel brings an OpenBLAS, 37 MB on amd64, for matrix work that piapp never asks for. Debian's LAPACK and BLAS
# have the same functions in 3 MB, and the picamera2 of a Raspberry Pi needs them anyway.
share_lapack() {
  local libraries=$program/$packages_of_it/opencv_python_headless.libs blas
  blas=$(find "$libraries" -name 'libopenblas*.so')
  [[ -f $blas ]] || fail "the wheel of OpenCV has no OpenBLAS any more, or several (found: '$blas'); see share_lapack"
  ln -sf "/usr/lib/$machine-linux-gnu/liblapack.so.3" "$blas"
  rm "$libraries"/libgfortran-* "$libraries"/libquadmath-* 2>/dev/null || true # of that OpenBLAS alone
}

fill_program() {
  unpack "$scratch/program.txt" "$program/$packages_of_it"
  share_lapack
  echo "/$mediapipe_packages" >"$program/$packages_of_it/piapp-mediapipe.pth"
  mkdir -p "$program/$folder"/{bin,share/piapp} "$program/usr"/{bin,share/man/man1}
  ln -s "/usr/bin/python$python" "$program/$folder/bin/python"
  printf 'home = /usr/bin\ninclude-system-site-packages = true\nversion = %s\n' "$python" >"$program/$folder/pyvenv.cfg"
  # By its own folder, so that a kept copy of a version runs from where it was put.
  # shellcheck disable=SC2016
  printf '#!/bin/sh\nexec "$(dirname "$(readlink -f "$0")")/python" -P -m piapp "$@"\n' >"$program/$folder/bin/piapp"
  chmod 755 "$program/$folder/bin/piapp"
  cp -r "$here/systemd" "$program/$folder/share/piapp/"
  ln -s /opt/piapp/current/bin/piapp "$program/usr/bin/piapp"
  gzip -9nc "$here/deploy/deb/piapp.1" >"$program/usr/share/man/man1/piapp.1.gz"
}

control() { # control PACKAGE VERSION FIELDS...: name and version first, then what standard input and the arguments say
  printf 'Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: %s\nSection: misc\nPriority: optional\n' "$1" "$2" "$arch" "$maintainer"
  cat
}

# As Debian's own packages count: files in whole kB, one for whatever else there is. What `du` says depends on how the
# file system has just laid them out, and two builds would differ.
installed_kb() { # installed_kb ROOT
  find "$1" -path "$1/DEBIAN" -prune -o -type f -printf '%s\n' -o -printf '1\n' |
    awk '{kb += int(($1 + 1023) / 1024)} END {print kb}'
}

describe_program() {
  local next=${python%.*}.$((${python#*.} + 1)) wanted='' suggested=piapp-mediapipe
  # On 64-bit PCs MediaPipe always runs; on ARM only where the processor has the atomics of ARMv8.1 (Pi 5).
  [[ $arch == arm64 ]] || { wanted=', piapp-mediapipe' suggested=mosquitto; }
  control piapp "$version-$revision" <<TEXT
Installed-Size: $(installed_kb "$program")
Depends: python3 (>= $python), python3 (<< $next), libc6, libgcc-s1, liblapack3, libstdc++6, zlib1g, python3-systemd, libseccomp2, ca-certificates, passwd, systemd
Recommends: python3-picamera2$wanted
Suggests: $suggested
Description: posture sensor: camera to landmarks and events over MQTT
 Finds people in the pictures of a Raspberry Pi's camera, a USB camera or a
 network camera, on the device itself, and sends landmarks, postures and
 events such as falls to your own MQTT broker. Home Assistant finds it by
 itself. No picture leaves the device unless the configuration allows it.
 .
 The service starts at boot. \`piapp check\` says what is missing.
TEXT
}

describe_runtime() {
  control piapp-mediapipe "$mediapipe_version-$revision" <<TEXT
Installed-Size: $(installed_kb "$runtime")
Depends: piapp, libc6, libgcc-s1, libstdc++6, libegl1, libgles2
Description: MediaPipe for the posture sensor piapp
 MediaPipe's Pose Landmarker, the reference runtime of piapp, and matplotlib,
 with which \`piapp plot\` draws. On ARM it needs a processor with LSE atomics
 (Raspberry Pi 5); piapp uses LiteRT where it is absent or cannot run.
TEXT
}

maintainer_scripts() { # the steps of systemd/service.sh go into each script: it must work when the package's files are gone
  local name
  for name in preinst postinst prerm postrm; do
    {
      echo '#!/bin/bash'
      echo 'set -euo pipefail'
      printf 'me=piapp\nversion=%q\n' "$version-deb"
      grep -v '^# shellcheck' "$here/systemd/service.sh"
      grep -v "^# shellcheck" "$here/deploy/deb/$name.sh"
    } >"$program/DEBIAN/$name"
    chmod 755 "$program/DEBIAN/$name"
  done
}

# Without MediaPipe a node is to take at most 350 MB of its card; the bytecode that the device compiles is 17 of them.
# Holes in libraries are counted as on the device, where postinst gives them back.
check_size() {
  local size_mb
  find "$program" -name '*.so*' -type f -exec fallocate --dig-holes {} \;
  size_mb=$(($(du -sk "$program" | cut -f1) * 1024 / 1000000))
  say "piapp for $arch takes $size_mb MB on disk, without bytecode"
  ((size_mb <= 330)) || fail "that is more than 330 MB; see deploy/prune.py for what can be left out"
}

document() { # document PACKAGE ROOT VERSION
  local docs=$2/usr/share/doc/$1
  mkdir -p "$docs" "$2/usr/share/lintian/overrides"
  cp "$here/deploy/deb/copyright" "$docs/copyright"
  { printf '%s (%s) %s; urgency=medium\n\n  * What changed stands in changelog.gz.\n\n' "$1" "$3" "$suite"
    printf ' -- %s  %s\n' "$maintainer" "$(date -uRd "@$SOURCE_DATE_EPOCH")"; } | gzip -9n >"$docs/changelog.Debian.gz"
  gzip -9nc "$here/CHANGELOG.md" >"$docs/changelog.gz"
  cp "$here/deploy/deb/$1.lintian-overrides" "$2/usr/share/lintian/overrides/$1"
}

pack() { # pack ROOT
  find "$1" -path "$1/DEBIAN" -prune -o -type d -exec chmod 755 {} +
  # Wheels mark libraries and modules as executable, which dpkg's own packages never do.
  find "$1" -path "$1/DEBIAN" -prune -o -path "*/bin/piapp" -o -type f -exec chmod 644 {} +
  (cd "$1" && find . -type f -not -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
  mkdir -p "$output"
  dpkg-deb --root-owner-group "${compression[@]}" --build "$1" "$output" >&2
}

collect_wheels
fill_program
check_size
unpack "$scratch/runtime.txt" "$runtime/$mediapipe_packages"
mkdir -p "$program/DEBIAN" "$runtime/DEBIAN"
document piapp "$program" "$version-$revision"
document piapp-mediapipe "$runtime" "$mediapipe_version-$revision"
maintainer_scripts
describe_program >"$program/DEBIAN/control"
describe_runtime >"$runtime/DEBIAN/control"
pack "$program"
pack "$runtime"
