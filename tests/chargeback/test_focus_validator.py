"""The FOCUS project's own validator over our 1.2 files, where it is: `make focus-validator`.

It needs Python 3.12 or newer, so it lives in an environment of its own and is run as a program.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.allocation.domain.facts import RunFacts
from apps.chargeback import selectors
from apps.chargeback import services as chargeback
from apps.chargeback.domain.focus_columns import Dataset, FileFormat, Version
from apps.chargeback.selectors import Wanted
from apps.core.domain.access import Actor
from tests.chargeback.conftest import NOW, OCTOBER, SYSTEM
from tests.chargeback.focus_rules import SUPPORTED
from tests.chargeback.test_focus import lines

PROGRAM = os.environ.get("FOCUS_VALIDATOR", "")
"""The path of the validator in its environment."""

UNTESTABLE = {
    # The rule is for charges without an invoice; the model lacks that condition.
    "InvoiceId-C-004-C",
    # Their conditions ask for CommitmentDiscountStatus, a column of those who sell commitments.
    "ConsumedQuantity-C-004-C",
    "ConsumedQuantity-C-006-C",
}
COMPOSITE = {f"ConsumedQuantity-C-00{number}-C" for number in (0, 3, 5)}
"""What only says that one of its children failed."""

READ_AS_INTEGERS = {"ConsumedQuantity-C-001-M"}
"""Of CSV: the validator takes a column of whole numbers for integers, and wants decimals."""

pytestmark = [
    pytest.mark.usefixtures("store"),
    pytest.mark.skipif(not PROGRAM, reason="FOCUS_VALIDATOR names no program"),
]


@pytest.mark.parametrize("format", list(FileFormat))
def test_the_validator_finds_nothing_but_what_it_cannot_test(
    format: FileFormat,
    allocate: Callable[..., RunFacts],
    people: dict[str, Actor],
    tmp_path: Path,
) -> None:
    run = allocate(lines())
    chargeback.draft_statements(month=OCTOBER, run=run.id, actor=people["maya"], now=NOW)
    chargeback.issue_statements(
        month=OCTOBER, actor=people["maya"], approver=people["jonas"], now=NOW
    )
    wanted = Wanted(
        month=OCTOBER, dataset=Dataset.COST_AND_USAGE, version=Version.V1_2, format=format
    )
    file = tmp_path / wanted.filename
    file.write_bytes(b"".join(selectors.focus_file(wanted=wanted, actor=SYSTEM).pieces))
    said = validated(file)
    assert said.count("PASS") > 200, said
    failed = set(re.findall(r"^- (\S+): violations=", said, re.MULTILINE))
    known = UNTESTABLE | COMPOSITE | (READ_AS_INTEGERS if format is FileFormat.CSV else set())
    assert failed <= known, said[said.index("--- Failures") :]


def validated(file: Path) -> str:
    """Return what the validator prints; it finds its currencies in its own folder only."""
    folder = next(Path(PROGRAM).parent.parent.glob("lib/python3.*/site-packages"))
    command: list[Any] = [PROGRAM, "--data-file", file, "--validate-version", "1.2"]
    command += ["--block-download", "--applicability-criteria", ",".join(sorted(SUPPORTED))]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
