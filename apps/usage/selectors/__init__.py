"""Questions about usage; answers are frozen values."""

from apps.usage.selectors.rollups import (
    RollupRow,
    SkuFacts,
    TagSetFacts,
    period_rollups,
    skus_of,
    tag_sets_of,
)
from apps.usage.selectors.unpriced import UnpricedSku, unpriced

__all__ = [
    "RollupRow",
    "SkuFacts",
    "TagSetFacts",
    "UnpricedSku",
    "period_rollups",
    "skus_of",
    "tag_sets_of",
    "unpriced",
]
