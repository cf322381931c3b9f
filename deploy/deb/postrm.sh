# shellcheck shell=bash disable=SC2154

if [[ ${1:-} == remove || ${1:-} == purge ]]; then
  remove_units
  rm -f "$units"/multi-user.target.wants/piapp.service "$units"/multi-user.target.wants/piapp@*.service
  rm -rf /opt/piapp/before /opt/piapp/current "/opt/piapp/${version:?}"
  rmdir --ignore-fail-on-non-empty /opt/piapp 2>/dev/null || true
fi
if [[ ${1:-} == purge ]]; then
  rm -rf "$units"/piapp.service.d "$units"/piapp@*.service.d "$config" "$state" /run/piapp
  remove_user
fi
if [[ -d /run/systemd/system && ${1:-} != upgrade ]]; then systemctl daemon-reload || true; fi
exit 0
