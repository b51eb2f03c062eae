"""Pipedrive by API token or by signing in: version 2 of its API, and version 1 for notes, users and webhooks."""
