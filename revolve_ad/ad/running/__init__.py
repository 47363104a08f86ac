"""Runs tapes with NumPy: straight-line code, whose buffers are reused."""
