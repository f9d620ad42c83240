"""The busiest addresses, answered before Django is asked: see `short`."""

from finops_platform.doors.short import ShortWays

__all__ = ["ShortWays"]
