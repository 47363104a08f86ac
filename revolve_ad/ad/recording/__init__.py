"""Records a function: what its NumPy calls do to traced arrays becomes a tape."""
