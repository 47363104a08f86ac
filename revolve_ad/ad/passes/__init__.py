"""Makes tapes of tapes: derivatives, and tapes with less in them."""
