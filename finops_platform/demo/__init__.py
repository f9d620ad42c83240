"""The demo: two tenants on recorded traces, laid over with a documented, deterministic story."""
