"""Settings: `embedded` (the default), `production`, `test`; all three build on `base`."""
