"""Tests keep compiled code out of the user's cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: Any) -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setenv("REVOLVE_AD_CACHE", str(tmp_path_factory.mktemp("native")))
    yield
    patch.undo()
