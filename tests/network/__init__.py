"""Real nodes on a bad network: two to five network namespaces, joined by a forwarder of the tests' own.

Nothing of it touches the machine's own network: each namespace has one TUN device, whose other end a
process of these tests holds, and all of it is gone when that process ends. It takes root (or
CAP_NET_ADMIN and CAP_SYS_ADMIN) and /dev/net/tun; :func:`tests.network.net.why_not` says what is missing.
"""
