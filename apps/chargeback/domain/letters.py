"""What people are told of statements by mail, in the tenant's language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a mail says; amounts and moments are texts in the reader's notation already."""

    number: str
    name: str
    month: str
    total: str
    due: str = ""
    page: str = ""
    comment: str = ""
    outcome: str = ""


_ISSUED: Final = {
    "en": (
        "Statement {number}: {name}, {month}, {total}",
        "{name} is charged {total} for {month}.\n\nRead the statement: {{link}}\n"
        "Accept it or object by {due}: {page}\n\nThe first link opens the PDF without a sign-in; "
        "do not pass it on.",
    ),
    "de": (
        "Abrechnung {number}: {name}, {month}, {total}",
        "{name} werden für {month} {total} berechnet.\n\nAbrechnung lesen: {{link}}\n"
        "Bis {due} annehmen oder widersprechen: {page}\n\nDer erste Link öffnet das PDF ohne "
        "Anmeldung; bitte nicht weitergeben.",
    ),
    "fr": (
        "Relevé {number} : {name}, {month}, {total}",
        "{name} : {total} pour {month}.\n\nLire le relevé : {{link}}\n"
        "L'accepter ou le contester avant le {due} : {page}\n\nLe premier lien ouvre le PDF sans "
        "connexion ; ne le transmettez pas.",
    ),
}
_REMINDER: Final = {
    "en": (
        "Reminder: statement {number} waits for you until {due}",
        "Statement {number} of {name} for {month}, {total}, waits for your answer until {due}.\n\n"
        "Accept it or object: {page}\nRead it: {{link}}",
    ),
    "de": (
        "Erinnerung: Abrechnung {number} wartet bis {due}",
        "Die Abrechnung {number} von {name} für {month}, {total}, wartet bis {due} auf Ihre "
        "Antwort.\n\nAnnehmen oder widersprechen: {page}\nLesen: {{link}}",
    ),
    "fr": (
        "Rappel : le relevé {number} vous attend jusqu'au {due}",
        "Le relevé {number} de {name} pour {month}, {total}, attend votre réponse jusqu'au {due}."
        "\n\nL'accepter ou le contester : {page}\nLe lire : {{link}}",
    ),
}
_ACCEPTED: Final = {
    "en": ("Statement {number} is accepted", "{name} accepts {total} for {month}.\n\n{page}"),
    "de": ("Abrechnung {number} ist angenommen", "{name} nimmt {total} für {month} an.\n\n{page}"),
    "fr": ("Le relevé {number} est accepté", "{name} accepte {total} pour {month}.\n\n{page}"),
}
_DISPUTED: Final = {
    "en": ("Statement {number} is disputed", "{name}, {month}, {total}:\n\n{comment}\n\n{page}"),
    "de": (
        "Widerspruch zur Abrechnung {number}",
        "{name}, {month}, {total}:\n\n{comment}\n\n{page}",
    ),
    "fr": ("Le relevé {number} est contesté", "{name}, {month}, {total} :\n\n{comment}\n\n{page}"),
}
_RESOLVED: Final = {
    "en": (
        "Your dispute of statement {number}: {outcome}",
        "{comment}\n\n{page}",
    ),
    "de": ("Ihr Widerspruch zur Abrechnung {number}: {outcome}", "{comment}\n\n{page}"),
    "fr": ("Votre contestation du relevé {number} : {outcome}", "{comment}\n\n{page}"),
}
LETTERS: Final = {
    "issued": _ISSUED,
    "reminder": _REMINDER,
    "accepted": _ACCEPTED,
    "disputed": _DISPUTED,
    "resolved": _RESOLVED,
}
_OUTCOMES: Final = {
    "en": {"rejected": "rejected", "corrected": "corrected", "withdrawn": "withdrawn"},
    "de": {"rejected": "abgelehnt", "corrected": "berichtigt", "withdrawn": "zurückgezogen"},
    "fr": {"rejected": "rejetée", "corrected": "corrigée", "withdrawn": "retirée"},
}


def written(kind: str, letter: Letter, *, locale: str) -> tuple[str, str]:
    """Return subject and text of a letter; other languages read English.

    Where a signed link belongs the text still holds `{link}`; braces in names and comments are
    taken out, so that nobody's words stand in its place.
    """
    language = locale.split("-", maxsplit=1)[0]
    language = language if language in _OUTCOMES else "en"
    subject, text = LETTERS[kind][language]
    words = {
        name: getattr(letter, name).replace("{", "(").replace("}", ")")
        for name in ("number", "name", "month", "total", "due", "page", "comment")
    }
    words["outcome"] = _OUTCOMES[language].get(letter.outcome, letter.outcome)
    return subject.format(**words), text.format(**words)
