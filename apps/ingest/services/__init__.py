"""What the doors for usage may do."""

from apps.ingest.services.accept import accept_events
from apps.ingest.services.adopt import Adoption, adopt_prices

__all__ = ["Adoption", "accept_events", "adopt_prices"]
