"""From a tape to loop nests: each pass has a file."""
