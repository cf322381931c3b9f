# shellcheck shell=bash disable=SC2154

# An upgrade leaves the service running until the new version takes its place.
if [[ ${1:-} == remove ]]; then
  if [[ -d /run/systemd/system ]]; then stop_service; fi
fi
find "/opt/piapp/$version" -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
exit 0
