"""Where the known-answer vectors come from: one module a part of the protocol.

Nothing here imports the package. Every expected value is the reference's.
"""
