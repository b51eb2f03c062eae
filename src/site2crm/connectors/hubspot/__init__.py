"""HubSpot by static token (service key, app token, legacy private app), date-versioned API 2026-09."""
