#!/usr/bin/env bash
# Boots a Debian root with its own systemd, and keeps it up through reboots until it powers off.
# usage: boot.sh ROOT WORK [nspawn options]
# ROOT is left as it is: changes go to memory. BOOT_AS_IT_IS=1 boots ROOT itself. Needs to be root, and systemd-nspawn.
# All mounts are in a private namespace and end with this script; its cgroup is removed.
# WORK gets `pid`, the process id of systemd-nspawn, whose only child is the guest's process 1, and `console`.
set -euo pipefail
if [[ ${BOOT_NAMESPACE:-} != private ]]; then
  exec env BOOT_NAMESPACE=private unshare --mount --propagation private "$0" "$@"
fi
root=$1 work=$2
shift 2

if [[ ! ${BOOT_AS_IT_IS:-} ]]; then
  mkdir -p "$work/memory"
  mount -t tmpfs -o mode=755 guest "$work/memory"
  mkdir "$work"/memory/{upper,work,root}
  mount -t overlay -o "lowerdir=$root,upperdir=$work/memory/upper,workdir=$work/memory/work" guest "$work/memory/root"
  root=$work/memory/root
fi

# The guest's systemd needs a cgroup2 of its own, which this machine may have mounted elsewhere, mixed with others.
umount -R /sys/fs/cgroup
mount -t cgroup2 guest /sys/fs/cgroup
group=/sys/fs/cgroup/piapp-guest.$$
mkdir "$group"
echo $$ >"$group/cgroup.procs"
clean_up() {
  echo $$ >/sys/fs/cgroup/cgroup.procs
  for _ in {1..50}; do
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && return
    sleep 0.1
  done
}
trap clean_up EXIT
# nspawn passes the first SIGTERM on as an orderly power-off; the second ends it.
trap 'kill "$guest"' TERM INT

status=133 # what nspawn answers when the guest asks for a reboot
while ((status == 133)); do
  # CAP_BPF and the bpf call: without them DeviceAllow and IPAddressDeny are silently ignored.
  systemd-nspawn --quiet --register=no --keep-unit --console=read-only --private-network --resolv-conf=off --timezone=off \
    --link-journal=no --capability=CAP_BPF --system-call-filter=bpf "$@" -D "$root" --boot systemd.show_status=no \
    </dev/null >>"$work/console" 2>&1 &
  guest=$!
  echo "$guest" >"$work/pid"
  status=0
  wait "$guest" || status=$?
done
