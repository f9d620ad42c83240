"""The operator's pages: tenants, their provisioning, suspension and resumption."""
