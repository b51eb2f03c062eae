curl https://leads.example.com/api/v1/forms \
  -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' -H 'Idempotency-Key: form-1' \
  -d '{"name": "Contact", "fields": [{"name": "email", "type": "email", "label": "E-mail", "required": true}]}'

curl https://leads.example.com/api/v1/connections \
  -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \
  -d '{"kind": "inbox", "name": "Test inbox", "settings": {}, "mapping": {"email": "email"}}'

curl 'https://leads.example.com/api/v1/leads?email=ada@example.com&limit=10' -H "Authorization: Bearer $KEY"

curl 'https://leads.example.com/api/v1/deliveries?state=dead' -H "Authorization: Bearer $KEY"
