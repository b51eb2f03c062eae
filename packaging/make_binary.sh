#!/bin/sh
# make_binary.sh [folder]: dist/site2crm-VERSION-linux-ARCH.tar.xz (one folder) and dist/site2crm (one file);
# with "folder", only the folder, in build/dist.
# `make binary` calls it, after it has made build/venv from pinned packages. The result runs on this machine's glibc or
# a newer one: releases are built on the oldest system that is served, Debian 12.
set -eu
cd "$(dirname "$0")/.."
for tool in objdump strip xz; do
  command -v $tool >/dev/null || { echo "A package is missing:  sudo apt-get install -y binutils xz-utils"; exit 1; }
done

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' src/site2crm/__init__.py)
name=site2crm-$version-linux-$(uname -m)
# The same sources give the same bytes.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH PYTHONHASHSEED=1 PYTHONPATH=src PYTHONDONTWRITEBYTECODE=1

build/venv/bin/python -m PyInstaller --noconfirm --log-level ERROR \
  --distpath build/dist --workpath build/work packaging/site2crm.spec
# Symbols are half of some files. Libraries that a wheel brought in a folder ".libs" were moved about in their own
# headers and do not load any more once they are stripped.
find build/dist/site2crm/_internal -type f -name '*.so*' ! -path '*.libs/*' -exec strip --strip-unneeded {} +
rm -rf "build/dist/$name"
mv build/dist/site2crm "build/dist/$name"
mkdir "build/dist/$name/examples"
cp packaging/examples/*.toml "build/dist/$name/examples/"
cp packaging/examples/site2crm.toml "build/dist/$name/"
[ "${1:-}" != folder ] || exit 0

mkdir -p dist
tar -C build/dist --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf - "$name" |
  xz -T0 >"dist/$name.tar.xz"
sh packaging/make_single_file.sh "build/dist/$name" "$version" dist/site2crm
(cd dist && sha256sum "$name.tar.xz" site2crm >SHA256SUMS)
ls -l dist
