"""Makes tapes of tapes: derivatives, and tapes with less in them."""

__all__: list[str] = []
