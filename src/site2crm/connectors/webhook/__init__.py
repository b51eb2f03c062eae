"""Any CRM that can take an HTTP request: signed JSON by the rules of Standard Webhooks (standardwebhooks.com)."""
