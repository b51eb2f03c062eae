name=$(basename site2crm-*-linux-x86_64.tar.xz .tar.xz)
tar -xJf "$name.tar.xz" -C /opt
ln -sfn "/opt/$name/site2crm" /usr/local/bin/site2crm
useradd --system --home-dir /var/lib/site2crm --shell /usr/sbin/nologin site2crm
install -d -m 750 -g site2crm /etc/site2crm
install -m 640 -g site2crm "/opt/$name/site2crm.toml" /etc/site2crm/
site2crm service --config /etc/site2crm/site2crm.toml > /etc/systemd/system/site2crm.service
systemctl daemon-reload && systemctl enable --now site2crm
journalctl -u site2crm | grep setup
