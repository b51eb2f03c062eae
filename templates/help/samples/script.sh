echo "$PASSWORD" | site2crm admin create --email ada@example.com --password-stdin --json
site2crm org create --name 'Acme' --slug acme --owner ada@example.com --json
site2crm key create --org acme --scopes all --json
