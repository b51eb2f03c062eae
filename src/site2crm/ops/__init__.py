"""Is it well: liveness, readiness, health and the alarms of the instance."""
