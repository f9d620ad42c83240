"""URLs of the API about the directory, under /api/v1/."""

from __future__ import annotations

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from apps.directory.api import views
from apps.directory.domain.entries import CODE_PATTERN


class EntryCode(StringConverter):
    """A code that an entry of the directory can have."""

    regex = CODE_PATTERN


register_converter(EntryCode, "entry_code")

urlpatterns = [
    path("cost-centers", views.CostCenters.as_view()),
    path("cost-centers/<entry_code:code>", views.CostCenter.as_view()),
    path("cost-centers/<entry_code:code>/parent", views.CostCenterParent.as_view()),
    path("teams", views.Teams.as_view()),
    path("teams/<entry_code:code>", views.Team.as_view()),
    path("teams/<entry_code:code>/cost-center", views.TeamCostCenter.as_view()),
    path("products", views.Products.as_view()),
    path("products/<entry_code:code>", views.Product.as_view()),
    path("features", views.Features.as_view()),
    path("features/<entry_code:code>", views.Feature.as_view()),
    path("customers", views.Customers.as_view()),
    path("customers/<entry_code:code>", views.Customer.as_view()),
    path("attribution-rules", views.AttributionRules.as_view()),
    path("attribution-rules/<uuid:public_id>", views.AttributionRule.as_view()),
    path("attribution-rules/<uuid:public_id>/retire", views.RetireAttributionRule.as_view()),
]
