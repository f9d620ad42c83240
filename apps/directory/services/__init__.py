"""What may be done to the directory; every change is audited."""

from apps.directory.services.ensure import ensure_entries
from apps.directory.services.entries import (
    EntryExists,
    EntryMissing,
    EntryRefused,
    enter,
    revise,
    revise_and_move,
)
from apps.directory.services.rules import (
    RuleMissing,
    RuleRefused,
    add_rule,
    check_rule,
    map_tag_value,
    retire_rule,
    revise_rule,
)
from apps.directory.services.tree import CycleRefused, move_team, place_cost_center

__all__ = [
    "CycleRefused",
    "EntryExists",
    "EntryMissing",
    "EntryRefused",
    "RuleMissing",
    "RuleRefused",
    "add_rule",
    "check_rule",
    "ensure_entries",
    "enter",
    "map_tag_value",
    "move_team",
    "place_cost_center",
    "retire_rule",
    "revise",
    "revise_and_move",
    "revise_rule",
]
