"""URLs by which people get in: the same on a tenant's host and on the operator's."""

from __future__ import annotations

from django.urls import path

from apps.accounts.web.views import passwords, sign_in

app_name = "accounts"
urlpatterns = [
    path("login/", sign_in.SignIn.as_view(), name="login"),
    path("logout/", sign_in.SignOut.as_view(), name="logout"),
    path("password/", passwords.AskForLink.as_view(), name="password_reset"),
    path("password/sent/", passwords.LinkSent.as_view(), name="password_reset_done"),
    path("password/done/", passwords.PasswordSet.as_view(), name="password_reset_complete"),
    path("password/reset/<str:token>/", passwords.ResetPassword.as_view(), name="reset"),
    path("password/invite/<str:token>/", passwords.AcceptInvite.as_view(), name="invite"),
    path("profile/", passwords.Profile.as_view(), name="profile"),
]
