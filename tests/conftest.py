"""What holds for all tests: no screen, random examples that are the same in every run, one cache.

Compiled code is kept in a folder of this run alone, which all of its processes share, so that what
one test has compiled another takes from there, and nothing comes from the user's cache.
"""

import os
import tempfile

import hypothesis
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")

# No deadline: a busy machine is no failure.  To look for new examples, set
# HYPOTHESIS_PROFILE=default.
hypothesis.settings.register_profile("revolve_ad", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "revolve_ad"))


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder, unless this is a worker of a run that has one."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory(prefix="revolve_ad_tests_", ignore_cleanup_errors=True)
        os.environ["REVOLVE_AD_CACHE"] = folder.name
        config.add_cleanup(folder.cleanup)
