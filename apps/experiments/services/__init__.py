"""What may be done to experiment requests: one module a use case."""

from apps.experiments.services.by_link import LinkUsed, OpenedLink, decide_by_link, opened
from apps.experiments.services.deciding import Ballot, decide
from apps.experiments.services.delegations import (
    DelegationDraft,
    DelegationEnded,
    DelegationInvalid,
    DelegationOverlaps,
    delegate,
    end_delegation,
)
from apps.experiments.services.ending import (
    add_lessons,
    complete,
    may_revoke,
    require_revoker,
    revoke,
    withdraw,
)
from apps.experiments.services.files import FileRefused, Upload, attach
from apps.experiments.services.following_up import FollowedUp, follow_up
from apps.experiments.services.policies import PolicyMoved, state_policy
from apps.experiments.services.submitting import Amendment, NotReady, RoundOpen, amend, submit
from apps.experiments.services.writing import CodeTaken, create, edit

__all__ = [
    "Amendment",
    "Ballot",
    "CodeTaken",
    "DelegationDraft",
    "DelegationEnded",
    "DelegationInvalid",
    "DelegationOverlaps",
    "FileRefused",
    "FollowedUp",
    "LinkUsed",
    "NotReady",
    "OpenedLink",
    "PolicyMoved",
    "RoundOpen",
    "Upload",
    "add_lessons",
    "amend",
    "attach",
    "complete",
    "create",
    "decide",
    "decide_by_link",
    "delegate",
    "edit",
    "end_delegation",
    "follow_up",
    "may_revoke",
    "opened",
    "require_revoker",
    "revoke",
    "state_policy",
    "submit",
    "withdraw",
]
