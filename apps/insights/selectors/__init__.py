"""Questions about what costs mean, across all contexts."""

from apps.insights.selectors.commitments import MonthStanding, standings
from apps.insights.selectors.what_if import GROUPS, Question, what_if

__all__ = ["GROUPS", "MonthStanding", "Question", "standings", "what_if"]
