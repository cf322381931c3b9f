#!/usr/bin/env bash
# Makes one tarball that installs without any network: this program, its locked wheels and its system packages, for one
# Debian release and processor. Unpack it on the device and run its deploy/install.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
  cat <<'TEXT'
usage: deploy/bundle.sh [options]
  --suite NAME   bookworm or trixie (default: trixie)
  --arch NAME    arm64 or amd64 (default: arm64)
  --mirror URL   where system packages come from (default: where this machine's come from)
  --also NAME    a further Debian package to bring, with what it needs; repeatable
  --keep DIR     keep downloads there and take them from there, as long as the lock is the same
  --output FILE  default: dist/piapp-VERSION-SUITE-ARCH.tar
Needs pip of the project's environment (.venv) and apt. python3-picamera2 is not in it: Raspberry Pi OS brings it along.
TEXT
}
say() { printf 'bundle: %s\n' "$*" >&2; }
fail() {
  say "ERROR: $*"
  exit 1
}

suite=trixie arch=arm64 mirror='' output='' keep='' also=()
while (($#)); do
  case $1 in
    --suite) suite=${2:?--suite needs a name}; shift ;;
    --arch) arch=${2:?--arch needs a name}; shift ;;
    --mirror) mirror=${2:?--mirror needs a URL}; shift ;;
    --also) also+=("${2:?--also needs a name}"); shift ;;
    --keep) keep=${2:?--keep needs a folder}; shift ;;
    --output) output=${2:?--output needs a file}; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "unknown option $1" ;;
  esac
  shift
done
# shellcheck source=deploy/wheels.sh
source "$here/deploy/wheels.sh"
choose_platform
# shellcheck disable=SC2016 # apt expands it
mirror=${mirror:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)}
mirror=${mirror%/}
[[ $mirror ]] || fail "this machine's apt knows no archive; name one with --mirror URL"
pip=("$here/.venv/bin/python" -m pip --disable-pip-version-check --quiet)
"${pip[@]}" --version >/dev/null 2>&1 || fail "there is no .venv; make it with: deploy/setup.sh run"

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$here/piapp/__init__.py")
name=piapp-$version-$suite-$arch
output=${output:-$here/dist/$name.tar}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
root=$scratch/$name

copy_project() {
  mkdir -p "$root/deploy" "$root/tests"
  cp -r "$here/systemd" "$here/models" "$here/pyproject.toml" "$here/README.md" "$here/LICENSE" "$root/"
  cp -r "$here/piapp" "$root/piapp"
  find "$root" -name __pycache__ -prune -exec rm -rf {} +
  cp "$here"/deploy/{install.sh,uninstall.sh,requirements.txt} "$root/deploy/"
  cp "$here/tests/requirements.txt" "$root/tests/"
  cp -r "$here/deploy/python" "$root/deploy/"
}

select_wheels() {
  local select=("$here/.venv/bin/python" "$here/deploy/select_lock.py")
  "${select[@]}" "$here/deploy/requirements.txt" "$python" "$machine" >"$scratch/lock.txt"
  # install.sh says why bookworm needs it.
  [[ $suite != bookworm ]] || "${select[@]}" "$here/tests/requirements.txt" "$python" "$machine" simplejpeg >>"$scratch/lock.txt"
}

download() { download_wheels "$root/wheels" "$scratch/lock.txt"; }

# apt with folders of its own, so that it can look at another release and processor than this machine's.
download_packages() {
  say "system packages of $suite for $arch"
  local apt=$scratch/apt keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [[ -r $keyring ]] || fail "$keyring is missing: apt-get install debian-archive-keyring"
  mkdir -p "$apt"/{lists/partial,cache/archives/partial,etc,dpkg} "$root/debs"
  touch "$apt/dpkg/status"
  printf "deb [signed-by=$keyring] %s %s main\n" "$mirror" "$suite" "$mirror" "$suite-updates" \
    "${mirror%/debian}/debian-security" "$suite-security" >"$apt/etc/sources.list"
  local get=(apt-get -qq -y --no-install-recommends -o "Dir::State=$apt" -o "Dir::State::lists=$apt/lists"
    -o "Dir::State::status=$apt/dpkg/status" -o "Dir::Cache=$apt/cache" -o "Dir::Etc=$apt/etc"
    -o Dir::Etc::parts=/dev/null -o Dir::Etc::preferencesparts=/dev/null -o "APT::Architecture=$arch" -o "APT::Architectures=$arch"
    -o APT::Sandbox::User=root -o Acquire::Languages=none -o Debug::NoLocking=1)
  "${get[@]}" update
  "${get[@]}" install --download-only python3-pip-whl python3-systemd libseccomp2 ca-certificates passwd \
    libegl1 libgles2 mosquitto "${also[@]}"
  mv "$apt"/cache/archives/*.deb "$root/debs/"
  index_packages
}

index_packages() { # the Packages file by which apt knows the folder as a repository
  local deb
  for deb in "$root"/debs/*.deb; do
    dpkg-deb -f "$deb"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$(basename "$deb")" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
  done >"$root/debs/Packages"
}

copy_project
select_wheels
fetch "wheels-$suite-$arch-$(sha256sum "$scratch/lock.txt" | cut -c1-16)" "$root/wheels" download
"${pip[@]}" wheel --wheel-dir "$root/wheels" --no-deps --no-build-isolation "$here"
fetch "debs-$suite-$arch-$({ cat "$here/deploy/bundle.sh"; echo "${also[@]}"; } | sha256sum | cut -c1-16)" "$root/debs" download_packages
(cd "$root" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >"$scratch/sums" && mv "$scratch/sums" SHA256SUMS)
mkdir -p "$(dirname "$output")"
tar -C "$scratch" --owner=0 --group=0 --sort=name -cf "$output" "$name"
say "$output, $(($(stat -c %s "$output") / 1000000)) MB. On the device: tar -xf, then sudo $name/deploy/install.sh"
