#!/usr/bin/env bash
# Sends the alarms of all nodes to the phone app ntfy. Needs mosquitto_sub (package mosquitto-clients), jq and curl.
# usage: alarm.sh NTFY_URL [options of mosquitto_sub, such as -h broker.lan -u user -P password]
# For example: alarm.sh https://ntfy.lan/falls -h broker.lan
# The node repeats an alarm until somebody acknowledges it: mosquitto_pub -t piapp/hall/request/acknowledge -m '{}'
# A test alert (mosquitto_pub -t piapp/hall/request/test -m '{}') arrives as a test.
set -euo pipefail
url=${1:?usage: alarm.sh NTFY_URL [options of mosquitto_sub]}
shift
declare -A down # nodes on whose floor somebody lies

send() { # send TITLE PRIORITY TEXT; a phone that cannot be reached must not end the watch
  curl --silent --show-error --fail --retry 3 --max-time 20 -H "Title: $1" -H "Priority: $2" -d "$3" "$url" >/dev/null || true
}

while read -r topic payload; do
  node=$(cut -d/ -f2 <<<"$topic")
  if [[ $topic == */status ]]; then
    if [[ $payload == offline && -n ${down[$node]:-} ]]; then
      send "Sensor offline" urgent "$node: the sensor went offline while somebody is on the floor"
    fi
    continue
  fi
  # What happened while the broker was away is old news, but for the end of an alarm. Whoever was away himself when it came
  # finds it in the state, which the broker keeps.
  if [[ $topic == */state ]]; then
    what='if .alarm or .last_recovered == null then "" elif .last_recovered.seen_up then "recovered" else "nobody_seen" end'
  else
    what='if .test then "test_" + .event_type elif .event_type == "recovered" and .evidence.nobody_seen then "nobody_seen"
      elif .historical and .event_type != "recovered" then "" else .event_type end'
  fi
  kind=$(jq -r "$what" <<<"$payload" 2>/dev/null) || continue
  case $kind in
    fallen) down[$node]=1; send "Somebody has fallen" urgent "$node: somebody is on the floor" ;;
    recovered) if [[ -n ${down[$node]:-} ]]; then unset "down[$node]"; send "Up again" default "$node: up again"; fi ;;
    nobody_seen) if [[ -n ${down[$node]:-} ]]; then unset "down[$node]"; send "Nobody seen" urgent "$node: nobody was seen since the fall"; fi ;;
    test_fallen) send "Test" default "$node: this is a test, nobody has fallen" ;;
  esac
done < <(mosquitto_sub -q 1 -t 'piapp/+/event' -t 'piapp/+/status' -t 'piapp/+/state' -F '%t %p' "$@")
