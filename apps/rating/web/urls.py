"""URLs of the price pages."""

from __future__ import annotations

from django.urls import path

from apps.rating.web import commitments, contract, cost_models, discounts, sheets, views

app_name = "rating"
urlpatterns = [
    path("prices/", views.Prices.as_view(), name="prices"),
    path("prices/new/", views.NewContractPrice.as_view(), name="new"),
    path("prices/sheet/", sheets.Sheet.as_view(), name="sheet"),
    path("prices/discounts/", discounts.Discounts.as_view(), name="discounts"),
    path("prices/discounts/new/", discounts.NewDiscount.as_view(), name="new_discount"),
    path("prices/discounts/<uuid:discount>/", discounts.DiscountPage.as_view(), name="discount"),
    path(
        "prices/discounts/<uuid:discount>/end/",
        discounts.EndDiscount.as_view(),
        name="end_discount",
    ),
    path(
        "prices/discounts/<uuid:discount>/withdraw/",
        discounts.WithdrawDiscount.as_view(),
        name="withdraw_discount",
    ),
    path("prices/commitments/", commitments.Commitments.as_view(), name="commitments"),
    path("prices/commitments/new/", commitments.NewCommitment.as_view(), name="new_commitment"),
    path(
        "prices/commitments/<uuid:commitment>/level/",
        commitments.PutLevelInForce.as_view(),
        name="level_in_force",
    ),
    path(
        "prices/commitments/<uuid:commitment>/levels/<uuid:term>/withdraw/",
        commitments.WithdrawLevel.as_view(),
        name="withdraw_level",
    ),
    path("prices/self-hosted/", cost_models.CostModels.as_view(), name="cost_models"),
    path("prices/self-hosted/new/", cost_models.NewCostModel.as_view(), name="new_cost_model"),
    path(
        "prices/self-hosted/<uuid:cost_model>/",
        cost_models.CostModelPage.as_view(),
        name="cost_model",
    ),
    path("prices/preview/", views.Preview.as_view(), name="preview"),
    path(
        "prices/contract/<uuid:price>/", contract.ContractPricePage.as_view(), name="contract_price"
    ),
    path("prices/contract/<uuid:price>/end/", contract.EndContractPrice.as_view(), name="end"),
    path(
        "prices/contract/<uuid:price>/withdraw/",
        contract.WithdrawContractPrice.as_view(),
        name="withdraw",
    ),
    path("prices/model/<str:provider>/<path:model>/", views.ModelPrices.as_view(), name="model"),
]
