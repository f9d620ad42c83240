"""What the doors for usage may do."""

from apps.ingest.services.accept import accept_events

__all__ = ["accept_events"]
