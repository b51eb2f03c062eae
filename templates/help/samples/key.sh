export KEY='s2c_live_…'
curl https://leads.example.com/api/v1/me -H "Authorization: Bearer $KEY"
