"""URLs of the API about prices, under /api/v1/."""

from __future__ import annotations

from django.urls import path

from apps.rating.api import sheets, terms, views

urlpatterns = [
    path("prices", views.Prices.as_view()),
    path("prices/<uuid:price>", views.ContractPrice.as_view()),
    path("prices/<uuid:price>/end", views.EndPrice.as_view()),
    path("prices/<uuid:price>/withdraw", views.WithdrawPrice.as_view()),
    path("prices/sheet", sheets.Sheet.as_view()),
    path("prices/sheet.xlsx", sheets.SheetXlsx.as_view()),
    path("prices/quote", terms.QuotePrice.as_view()),
    path("prices/discounts", terms.Discounts.as_view()),
    path("prices/discounts/<uuid:discount>", terms.OneDiscount.as_view()),
    path("prices/discounts/<uuid:discount>/end", terms.EndDiscount.as_view()),
    path("prices/discounts/<uuid:discount>/withdraw", terms.WithdrawDiscount.as_view()),
    path("prices/commitments", terms.Commitments.as_view()),
    path("prices/commitments/<uuid:commitment>", terms.OneCommitment.as_view()),
    path("prices/commitments/<uuid:commitment>/levels", terms.LevelsInForce.as_view()),
    path(
        "prices/commitments/<uuid:commitment>/levels/<uuid:term>/withdraw",
        terms.WithdrawLevel.as_view(),
    ),
    path("prices/cost-models", terms.CostModels.as_view()),
    path("prices/cost-models/<uuid:cost_model>", terms.OneCostModel.as_view()),
    path("price-book", views.PriceBookInForce.as_view()),
]
