"""Long tapes rolled back into loops: records, the search for loops, their adjoint, their source."""

__all__: list[str] = []
