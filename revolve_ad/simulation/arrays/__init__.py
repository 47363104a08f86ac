"""The arrays of a run: their layouts, who holds them, their bytes, sums, digests and finiteness."""

__all__: list[str] = []
