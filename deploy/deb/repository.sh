#!/usr/bin/env bash
# Lays out a signed apt repository from Debian packages: any web server, or a folder on a stick, serves it as it is.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: deploy/deb/repository.sh --key ID [options] PACKAGE.deb...
  --key ID       the secret key that signs, as gpg knows it
  --output DIR   default: dist/apt
A package belongs to the release that its version names: ~deb12 is bookworm, ~deb13 trixie. On a device:
  sudo install -m 644 piapp.gpg /usr/share/keyrings/piapp.gpg
  echo "deb [signed-by=/usr/share/keyrings/piapp.gpg] URL trixie main" | sudo tee /etc/apt/sources.list.d/piapp.list
  sudo apt update && sudo apt install piapp
TEXT
}
fail() {
  printf 'repository: ERROR: %s\n' "$*" >&2
  exit 1
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
output=$here/dist/apt key=''
packages=()
while (($#)); do
  case $1 in
    --key) key=${2:?--key needs an id}; shift ;;
    --output) output=${2:?--output needs a folder}; shift ;;
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; fail "unknown option $1" ;;
    *) packages+=("$1") ;;
  esac
  shift
done
[[ $key ]] || fail "--key is missing: an unsigned repository would let anybody in between install programs"
((${#packages[@]})) || fail "no packages; make them with: make deb"
gpg --batch --list-secret-keys "$key" >/dev/null 2>&1 || fail "gpg has no secret key $key"

declare -A suites=([12]=bookworm [13]=trixie)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

add() { # add PACKAGE: into the pool, and into the index of its release and processor
  local version architecture suite name
  version=$(dpkg-deb -f "$1" Version)
  architecture=$(dpkg-deb -f "$1" Architecture)
  suite=${suites[${version##*~deb}]:-}
  [[ $suite ]] || fail "$1: its version $version names no release; expected ~deb12 or ~deb13 at its end"
  name=pool/$(basename "$1")
  install -D -m 644 "$1" "$output/$name"
  mkdir -p "$scratch/$suite/$architecture"
  {
    dpkg-deb -f "$1"
    printf 'Filename: %s\nSize: %s\nSHA256: %s\n\n' "$name" "$(stat -c %s "$1")" "$(sha256sum "$1" | cut -d' ' -f1)"
  } >>"$scratch/$suite/$architecture/Packages"
}

release() { # release SUITE: its index of indices, signed
  local folder=$output/dists/$1 file
  (cd "$scratch/$1" && for architecture in *; do
    install -D -m 644 "$architecture/Packages" "$folder/main/binary-$architecture/Packages"
    gzip -9nk "$folder/main/binary-$architecture/Packages"
  done)
  {
    printf 'Origin: piapp\nLabel: piapp\nSuite: %s\nCodename: %s\nComponents: main\nArchitectures: %s\nDate: %s\nSHA256:\n' \
      "$1" "$1" "$(cd "$scratch/$1" && echo *)" "$(date -uR -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}")"
    (cd "$folder" && for file in main/*/*; do
      printf ' %s %s %s\n' "$(sha256sum "$file" | cut -d' ' -f1)" "$(stat -c %s "$file")" "$file"
    done)
  } >"$folder/Release"
  gpg --batch --yes --local-user "$key" --armor --detach-sign --output "$folder/Release.gpg" "$folder/Release"
  gpg --batch --yes --local-user "$key" --clear-sign --output "$folder/InRelease" "$folder/Release"
}

rm -rf "${output:?}/dists" "$output/pool"
mkdir -p "$output"
for package in "${packages[@]}"; do add "$package"; done
for suite in "$scratch"/*/; do release "$(basename "$suite")"; done
gpg --batch --export "$key" >"$output/piapp.gpg"
printf 'repository: %s, %s packages, signed by %s\n' "$output" "${#packages[@]}" "$key" >&2
