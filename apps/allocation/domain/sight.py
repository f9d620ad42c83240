"""Who may read whole months: their sums would tell a member what other teams cost."""

from __future__ import annotations

from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Forbidden
from apps.costs.domain.sight import sees_everything


def require_everything(actor: Actor) -> None:
    """Pass when no cost is hidden from the actor, or when it is the actor's work to close months.

    :raises Forbidden: when the actor sees only some teams or tags.
    """
    if not sees_everything(actor) and not actor.may(Scope.CLOSE_RUN):
        raise Forbidden(
            "This shows the cost of every team, and you may see only some. Ask finance for your "
            "team's statement.",
            code="sight_limited",
        )
