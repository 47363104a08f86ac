"""Records a function: it is called on traced arrays, and what its NumPy calls do becomes a tape."""

__all__: list[str] = []
