#!/bin/sh
# pre-image.sh ROOT OUTPUT: writes the card's partition table for genimage, with the sizes that were configured.
# shellcheck disable=SC2154 # rpi-image-gen gives these
set -eu
sed -e "s|@NAME@|$IGconf_image_name.$IGconf_image_suffix|" -e "s|@BOOT@|$IGconf_image_boot_part_size|" \
  -e "s|@ROOT@|$IGconf_image_root_part_size|" -e "s|@STATE@|$IGconf_image_state_part_size|" \
  "$(dirname "$0")/genimage.cfg.in" >"$2/genimage.cfg"
