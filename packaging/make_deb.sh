#!/bin/sh
# make_deb.sh: dist/site2crm_VERSION_ARCH.deb from what `make binary` has built.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' src/site2crm/__init__.py)
folder=build/dist/site2crm-$version-linux-$(uname -m)
[ -x "$folder/site2crm" ] || { echo "There is no $folder yet:  make binary"; exit 1; }
arch=$(dpkg --print-architecture)
root=build/deb

rm -rf $root
install -d $root/DEBIAN $root/opt $root/usr/bin $root/usr/lib/systemd/system $root/etc/site2crm
install -d $root/usr/share/doc/site2crm/examples
cp -a "$folder" $root/opt/site2crm
rm -rf $root/opt/site2crm/examples  # they are in /usr/share/doc
ln -s /opt/site2crm/site2crm $root/usr/bin/site2crm
install -m 644 packaging/systemd/site2crm.service $root/usr/lib/systemd/system/
install -m 644 packaging/examples/site2crm.toml $root/etc/site2crm/
install -m 644 packaging/examples/*.toml $root/usr/share/doc/site2crm/examples/
install -m 755 packaging/deb/postinst packaging/deb/prerm packaging/deb/postrm $root/DEBIAN/
echo /etc/site2crm/site2crm.toml >$root/DEBIAN/conffiles
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@SIZE@/$(du -sk $root/opt | cut -f1)/" \
  packaging/deb/control >$root/DEBIAN/control
mkdir -p dist
dpkg-deb --root-owner-group -Zxz --build $root "dist/site2crm_${version}_$arch.deb"
