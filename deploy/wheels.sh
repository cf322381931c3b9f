# Downloads the wheels that a Debian release and processor need, hash by hash. deploy/bundle.sh and deploy/deb/build.sh
# share it. For bash; sourced, not run. They set `here`, `scratch`, `suite`, `arch`, `keep` and `pip`.
# shellcheck shell=bash disable=SC2034,SC2154

choose_platform() { # sets python, glibc and machine, for suite and arch
  case $suite in
    bookworm) python=3.11 glibc=36 ;;
    trixie) python=3.13 glibc=41 ;;
    *) fail "$suite: expected bookworm or trixie" ;;
  esac
  case $arch in
    arm64) machine=aarch64 ;;
    amd64) machine=x86_64 ;;
    *) fail "$arch: expected arm64 or amd64" ;;
  esac
  platforms=(--only-binary=:all: --python-version "$python")
  local minor
  # Newer pip knows that manylinux_2_28 includes the older ones, older pip wants each named.
  for ((minor = 17; minor <= glibc; minor++)); do platforms+=(--platform "manylinux_2_${minor}_$machine"); done
  platforms+=(--platform "manylinux2014_$machine")
}

# fetch KEY FOLDER COMMAND: COMMAND fills FOLDER, or what it did last time for this KEY is taken.
fetch() {
  local kept=$keep/$1 folder=$2
  if [[ $keep && -d $kept ]]; then
    cp -r "$kept" "$folder"
    return
  fi
  "$3"
  if [[ $keep ]]; then
    mkdir -p "$keep"
    cp -r "$folder" "$kept.$$"
    mv -T "$kept.$$" "$kept"
  fi
}

download_wheels() { # download_wheels FOLDER LOCK: a lock that holds for this platform alone (deploy/select_lock.py)
  say "wheels for Python $python on $machine"
  "${pip[@]}" download --dest "$1" --no-deps --require-hashes "${platforms[@]}" --requirement "$2"
}
