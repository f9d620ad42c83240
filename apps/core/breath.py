"""Holds the cyclic garbage collector off while a batch is under way."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Iterator[None]:
    """Pause collections: a batch makes many objects, none of them in cycles, and drops them all.

    Going through them again and again took a quarter of the time of a batch. With several
    threads the first that leaves turns the collector on again, which is harmless.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
