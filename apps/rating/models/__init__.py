"""A tenant's prices and terms, the prices it was charged by, and the versions of its book."""

from apps.rating.models.prices import (
    KINDS,
    UNIT_SIZES,
    ContractPrice,
    CurrentVersion,
    ModelMapping,
    Moments,
    Price,
    PriceBookVersion,
    PriceTerms,
)
from apps.rating.models.terms import (
    Commitment,
    CommitmentLevel,
    CommitmentTerm,
    CostModel,
    Discount,
)

__all__ = [
    "KINDS",
    "UNIT_SIZES",
    "Commitment",
    "CommitmentLevel",
    "CommitmentTerm",
    "ContractPrice",
    "CostModel",
    "CurrentVersion",
    "Discount",
    "ModelMapping",
    "Moments",
    "Price",
    "PriceBookVersion",
    "PriceTerms",
]
