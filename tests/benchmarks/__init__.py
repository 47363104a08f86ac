"""The benchmark problems and the opponents, measured beside revolve_ad in one run."""
