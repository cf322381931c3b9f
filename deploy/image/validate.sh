#!/usr/bin/env bash
# Has rpi-image-gen's own checker judge the layers here: names, variables, dependencies, order. Builds nothing.
# usage: deploy/image/validate.sh RPI-IMAGE-GEN [PLAN]: a checkout of it; PLAN gets the layers in their order
# Needs python3-debian and python3-yaml for the Python of the system.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tool=$(cd "${1:?usage: validate.sh RPI-IMAGE-GEN [PLAN]}" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
ig() { env -i PATH="$tool/bin:/usr/bin:/bin" HOME="$scratch" /usr/bin/python3 "$tool/bin/ig" "$@"; }

for layer in "$here"/{device,layer}/*.yaml "$here"/image/*/image.yaml; do ig metadata --lint "$layer" >&2; done
ig metadata --emit "$tool/registry.defs" >"$scratch/settings"
ig config --path "$here/config:$tool/config" piapp.yaml --write-to "$scratch/config" >&2
cat "$scratch/config" >>"$scratch/settings"
cat >>"$scratch/settings" <<SETTINGS
DEB_BUILD_ARCH="arm64"
DEB_BUILD_GNU_TYPE="aarch64-linux-gnu"
DEB_HOST_ARCH="arm64"
DEB_HOST_GNU_TYPE="aarch64-linux-gnu"
TOOLCHAIN_MODE="native"
IGTOP="$tool"
IGROOT="$tool"
LAYER_HOOKS="$tool/layer-hooks"
RPI_TEMPLATES="$tool/templates/rpi"
DYNROOT="$scratch/dynamic"
SRCROOT="$here"
SETTINGS
mkdir -p "$scratch/dynamic/layer"
# As rpi-image-gen puts them in: its foundation, then what the configuration names.
mapfile -t layers < <(sed -n 's/^IGconf_\(device_layer\|image_layer\|layer_.*\)="\(.*\)"$/\2/p' "$scratch/config")
ig pipeline --env-in "$scratch/settings" --layers essential "${layers[@]}" --env-out "$scratch/result" --plan-out "$scratch/plan" \
  --path "DYNlayer=$scratch/dynamic/layer:SRCdevice=$here/device:SRCimage=$here/image:SRClayer=$here/layer:IGdevice=$tool/device:IGimage=$tool/image:IGlayer=$tool/layer" >&2
if [[ ${2:-} ]]; then cp "$scratch/plan" "$2"; fi
echo "the layers are valid: $(grep -vc '^#' "$scratch/plan") in their order, with $(wc -l <"$scratch/result") variables"
