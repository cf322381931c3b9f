#!/usr/bin/env bash
# Builds a release twice, compares the bytes, and adds checksums, a list of what is in it (CycloneDX) and notes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
  cat <<'TEXT'
usage: deploy/release.sh [options]
  --output DIR    default: dist/release; must be empty or not be there
  --python-only   without the Debian packages
  --suite NAME    of the Debian packages: bookworm or trixie; repeatable (default: both)
  --arch NAME     of the Debian packages: amd64 or arm64; repeatable (default: both)
  --keep DIR      keep downloads there and take them from there
  --fast          compress the Debian packages little, to try whether all of it works
PIAPP_PROJECT_URL names the repository's page, for links and pictures in the package's description.
TEXT
}
say() { printf 'release: %s\n' "$*" >&2; }
fail() {
  say "ERROR: $*"
  exit 1
}

output=$here/dist/release debs=1 keep=$here/.cache/deb fast=()
suites=() architectures=()
while (($#)); do
  case $1 in
    --output) output=${2:?--output needs a folder}; shift ;;
    --python-only) debs='' ;;
    --suite) suites+=("${2:?--suite needs a name}"); shift ;;
    --arch) architectures+=("${2:?--arch needs a name}"); shift ;;
    --keep) keep=${2:?--keep needs a folder}; shift ;;
    --fast) fast=(--fast) ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "unknown option $1" ;;
  esac
  shift
done
((${#suites[@]})) || suites=(bookworm trixie)
((${#architectures[@]})) || architectures=(amd64 arm64)
[[ ! -d $output || ! $(ls -A "$output") ]] || fail "$output is not empty; remove what is in it first"
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$here/piapp/__init__.py")
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

build() { # build FOLDER
  "$here/.venv/bin/python" "$here/deploy/python/build.py" "$1"
  [[ $debs ]] || return 0
  local suite arch
  for suite in "${suites[@]}"; do
    for arch in "${architectures[@]}"; do
      "$here/deploy/deb/build.sh" --suite "$suite" --arch "$arch" --keep "$keep" --output "$1" "${fast[@]}"
    done
  done
}

notes() { # what CHANGELOG.md says of this version
  awk -v head="## $version" 'index($0, head) == 1 {on = 1; print; next} /^## / {on = 0} on' "$here/CHANGELOG.md"
}

[[ $(notes) ]] || fail "CHANGELOG.md has no section '## $version'"
say "building $version, twice"
build "$scratch/first"
build "$scratch/second"
diff -r "$scratch/first" "$scratch/second" >&2 || fail "two builds of the same source differ (see above)"
say "both builds are equal, byte by byte"
mkdir -p "$output"
# A page for downloads, as GitHub's, puts a dot in the place of a tilde, and the checksums are to fit what is downloaded.
for built in "$scratch/first"/*; do
  name=$(basename "$built")
  cp "$built" "$output/${name//\~/.}"
done
"$here/.venv/bin/python" "$here/deploy/python/sbom.py" "$output/piapp-node-$version-requirements.txt" "$version" \
  >"$output/piapp-node-$version.cdx.json"
notes >"$output/NOTES.md"
(cd "$output" && sha256sum -- * >"$scratch/sums" && mv "$scratch/sums" SHA256SUMS)
say "$output: $(($(find "$output" -type f | wc -l))) files. Tag the commit: git tag -s v$version"
