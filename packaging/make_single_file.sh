#!/bin/sh
# make_single_file.sh FOLDER VERSION TARGET: one executable file that holds the folder.
set -eu
folder=$1 version=$2 target=$3
here=$(dirname "$0")
payload=$target.payload
trap 'rm -f "$payload"' EXIT
tar -C "$folder" --sort=name --mtime="@${SOURCE_DATE_EPOCH:-0}" --owner=0 --group=0 --numeric-owner -cf - . | gzip -n >"$payload"

# The build is named for what is in it: another one of the same version is unpacked beside it, not taken for it.
build=$version-$(sha256sum "$payload" | cut -c1-12)
header() { sed -e "s/^build=@BUILD@$/build=$build/" -e "s/^start=@START@$/start=$1/" "$here/single_file.sh"; }
# As many characters as the number itself will have: the header's length stands in the header.
start=$(($(header 0000 | wc -c) + 1))
[ ${#start} -eq 4 ] || { echo "the header has grown beyond four digits" >&2; exit 1; }
{ header "$start" && cat "$payload"; } >"$target"
chmod 755 "$target"
