# shellcheck shell=bash disable=SC2154

# Before an upgrade: keep what runs as a copy. Its files are shared with the version that dpkg is about to replace.
if [[ ${1:-} == upgrade || ${1:-} == install ]] && [[ -L /opt/piapp/current ]]; then
  running=$(readlink /opt/piapp/current)
  if [[ $running != before && -d /opt/piapp/$running ]]; then
    rm -rf /opt/piapp/before
    cp -al "/opt/piapp/$running" /opt/piapp/before
  fi
fi
exit 0
