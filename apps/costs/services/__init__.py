"""What may be done to costs: declare accounts, import bills, reconcile."""

from apps.costs.services.partitions import ensure_partitions

__all__ = ["ensure_partitions"]
