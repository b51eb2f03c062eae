site2crm backup list                        # here, and in the S3 store
systemctl stop site2crm
site2crm restore site2crm-20261122T031500Z.tar.gz.enc --dry-run
site2crm restore site2crm-20261122T031500Z.tar.gz.enc --replace
systemctl start site2crm
