"""From a tape to loop nests: each pass has a file."""

__all__: list[str] = []
