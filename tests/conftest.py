"""What holds for all tests: no screen, and random examples that are the same in every run."""

import os

import hypothesis

os.environ.setdefault("MPLBACKEND", "Agg")

# No deadline: a busy machine is no failure.  To look for new examples, set
# HYPOTHESIS_PROFILE=default.
hypothesis.settings.register_profile("revolve_ad", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "revolve_ad"))
