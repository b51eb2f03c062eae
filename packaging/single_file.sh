#!/bin/sh
# Site2CRM in one file: this script, and behind it the folder that it unpacks once and then runs in its own place. So
# there is one process, nothing lies in /tmp, and the second start is as fast as that of the folder.
# It needs sh, tail, tar and gzip. Unpacked builds stay in ~/.cache/site2crm: delete there what you no longer use.
set -eu
build=@BUILD@
start=@START@

die() {
  echo "site2crm: $1" >&2
  exit 1
}

home=${SITE2CRM_UNPACK:-${CACHE_DIRECTORY:-}} # the second is systemd's
if [ -z "$home" ]; then
  [ -n "${XDG_CACHE_HOME:-${HOME:-}}" ] || die "there is no HOME to unpack to: set SITE2CRM_UNPACK to a folder of yours."
  home=${XDG_CACHE_HOME:-$HOME/.cache}/site2crm
fi

if [ ! -x "$home/$build/site2crm" ]; then
  mkdir -p "$home" || die "cannot write $home: set SITE2CRM_UNPACK to a folder of yours."
  [ -O "$home" ] || die "$home belongs to somebody else: set SITE2CRM_UNPACK to a folder of yours."
  echo "site2crm: unpacking to $home/$build, once" >&2
  draft=$(mktemp -d "$home/.unpacking.XXXXXX") || die "cannot write $home: set SITE2CRM_UNPACK to a folder of yours."
  trap 'rm -rf "$draft"' EXIT
  trap 'exit 1' HUP INT TERM
  tail -c "+$start" "$0" | tar -xz -C "$draft" || die "it could not be unpacked: is the disk full, or the file cut off?"
  [ -x "$draft/site2crm" ] || die "programs may not run in $home (noexec): set SITE2CRM_UNPACK to a folder elsewhere."
  # Whoever else unpacks at this moment may be first: then its folder is as good as ours.
  mv -T "$draft" "$home/$build" 2>/dev/null || [ -x "$home/$build/site2crm" ] || die "cannot write $home/$build."
  rm -rf "$draft"
  # What a killed first start has left. By the change of the inode: tar sets the other time to that of the archive.
  find "$home" -maxdepth 1 -name '.unpacking.*' -cmin +60 -exec rm -rf {} + 2>/dev/null || true
  trap - EXIT HUP INT TERM
fi

case $0 in /*) SITE2CRM_SINGLE_FILE=$0 ;; *) SITE2CRM_SINGLE_FILE=$PWD/$0 ;; esac
export SITE2CRM_SINGLE_FILE
exec "$home/$build/site2crm" "$@"
