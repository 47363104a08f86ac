"""Records a function: what its NumPy calls do to traced arrays becomes a tape."""

__all__: list[str] = []
