"""The committed API document is what the code says, without a warning."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from finops_platform.embedded.home import REPOSITORY

COMMITTED = REPOSITORY / "docs" / "openapi.yaml"


def test_the_document_has_not_drifted(tmp_path: Path) -> None:
    written = tmp_path / "openapi.yaml"
    options = ["--urlconf", "finops_platform.urls_tenant", "--validate", "--fail-on-warn"]
    done = subprocess.run(
        [sys.executable, "manage.py", "spectacular", *options, "--file", str(written)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert COMMITTED.read_text() == written.read_text(), "run `make schema` and commit the file"
