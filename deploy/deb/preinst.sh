# shellcheck shell=bash disable=SC2154

# Before an upgrade: keep what runs as a copy, whose files are shared with the version that dpkg is about to replace. The
# service runs from the copy when it is restarted meanwhile, and the new version learns whether it was well.
if [[ ${1:-} == upgrade || ${1:-} == install ]] && [[ -L /opt/piapp/current ]]; then
  if [[ -d /run/systemd/system ]] && systemctl is-active --quiet piapp.service; then touch /run/piapp-was-active; fi
  running=$(readlink /opt/piapp/current)
  if [[ $running != before && -d /opt/piapp/$running ]]; then
    rm -rf /opt/piapp/before
    cp -al "/opt/piapp/$running" /opt/piapp/before
    ln -sfn before /opt/piapp/current.new
    mv -fT /opt/piapp/current.new /opt/piapp/current
  fi
fi
exit 0
