"""Zoho CRM by OAuth, in every data centre, API v8."""
