"""Private weighted sums between peers, with no server."""

__version__ = "0.1.0"
