"""What holds for all tests: no screen, one thread, one cache, the same random examples every time.

Compiled code is kept in a folder of this run alone, which all of its processes share, so that what
one test has compiled another takes from there, and nothing comes from the user's cache.
"""

import os
import tempfile

import hypothesis
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
# Before NumPy is imported: processes that run tests side by side have a core each, or less.
for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

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
