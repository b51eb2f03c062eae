site2crm service --template --config /etc/site2crm/site2crm.toml > /etc/systemd/system/site2crm@.service
systemctl daemon-reload
systemctl enable --now site2crm@8081     # waits beside the one that runs
systemctl disable --now site2crm         # which hands over to it, and ends
site2crm caddyfile --config /etc/site2crm/site2crm.toml \
  --upstream 127.0.0.1:8080 --upstream 127.0.0.1:8081 > /etc/caddy/Caddyfile
systemctl reload caddy
