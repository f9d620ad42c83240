"""A JSON body that nobody could keep is refused at the door, with a reason, never with a 500."""

import pytest

from apps.core.api.parsing import strict_json
from apps.core.domain.errors import Invalid


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[" * 100_000, "too_deep"),
        (b"[" * 66 + b"]" * 66, "too_deep"),
        (b'{"a":' * 900 + b"1" + b"}" * 900, "too_deep"),
        (b'{"n": 1e400}', "range"),
        (b'{"n": NaN}', "range"),
        (b'{"n": -Infinity}', "range"),
        (b'{"n": ' + b"9" * 5000 + b"}", "range"),
        (b'{"reason": "a\\ud800"}', "encoding"),
        (b'{"rea\\ud800son": "a"}', "encoding"),
        (b'{"a": "\xe9"}', "encoding"),
        (b"{", "not_json"),
        (b"", "not_json"),
    ],
)
def test_refused(body: bytes, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        strict_json(body)
    assert refused.value.code == code


def test_read() -> None:
    assert strict_json(b'\xef\xbb\xbf{"a": [1, 2.5, "\xc3\xa9\\ud83d\\ude00"]}') == {
        "a": [1, 2.5, "é\U0001f600"]
    }
    assert strict_json(b"[" * 60 + b"]" * 60)
