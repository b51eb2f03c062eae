curl https://leads.example.com/f/FORM -d 'email=ada@example.com' -d 'name=Ada Sample'

curl https://leads.example.com/f/FORM \
  -H 'Content-Type: application/json' -H 'Idempotency-Key: order-4711' \
  -d '{"email": "ada@example.com", "first_name": "Ada", "message": "Please call me."}'
