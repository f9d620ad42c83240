"""A file in which events wait that could not be sent before the process ended."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows: processes must not share a spool there
    fcntl = None


class Claim:
    """A spool that this process took over; other processes leave it alone while we live."""

    def __init__(self, path: Path, handle: IO[bytes]) -> None:
        self._path = path
        self._handle = handle

    def lines(self) -> Iterator[bytes]:
        """Yield whole lines; a line that a crash cut off is the last and has no end."""
        for line in self._handle:
            if line.endswith(b"\n") and line.strip():
                yield line.strip()

    def give_back(self) -> None:
        """Leave the file to whoever takes it over next."""
        self._handle.close()

    def finish(self) -> None:
        """Remove the file: everything in it is settled."""
        self._path.unlink(missing_ok=True)
        self._handle.close()


class Spool:
    """Appends lines to one file, and takes over what is in it, each line by one process.

    Sending a line twice does no harm: its event is known by its id.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)

    def append(self, lines: Sequence[bytes]) -> None:
        """Write lines through to the disk.

        :raises OSError: when they cannot be written.
        """
        with self._path.open("ab") as file:
            _lock(file, wait=True)
            if not self._path.exists() or not os.path.samestat(
                os.fstat(file.fileno()), self._path.stat()
            ):  # it was taken over between our opening and our locking it
                return self.append(lines)
            file.write(b"".join(line + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        return None

    def holds_lines(self) -> bool:
        """Tell whether something waits in the file."""
        try:
            return self._path.stat().st_size > 0
        except OSError:
            return False

    def claim(self) -> list[Claim]:
        """Take over the file, and what processes that have died had taken over."""
        found = [claim for path in self._orphans() if (claim := _claimed(path)) is not None]
        if self.holds_lines():
            taken = self._path.with_name(f"{self._path.name}.{uuid.uuid4().hex}.claim")
            with contextlib.suppress(OSError), self._path.open("ab") as file:
                _lock(file, wait=True)
                self._path.rename(taken)
            claim = _claimed(taken)
            found += [claim] if claim else []
        return found

    def _orphans(self) -> list[Path]:
        return sorted(self._path.parent.glob(f"{self._path.name}.*.claim"))


def _claimed(path: Path) -> Claim | None:
    try:
        handle = path.open("rb")
    except OSError:
        return None
    if not _lock(handle, wait=False) or not path.exists():
        handle.close()
        return None
    return Claim(path, handle)


def _lock(file: IO[bytes], *, wait: bool) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True
