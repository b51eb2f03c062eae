tar -xJf "$name.tar.xz" -C /opt && ln -sfn "/opt/$name/site2crm" /usr/local/bin/site2crm
systemctl enable --now site2crm@8080     # the new version: waits beside the old one
systemctl disable --now site2crm@8081    # the old one hands over to it, and ends
