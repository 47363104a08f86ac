"""Runs tapes with NumPy: straight-line code, whose buffers are reused."""

__all__: list[str] = []
