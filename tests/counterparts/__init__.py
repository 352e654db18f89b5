"""Real libp2p peers, installed, started and driven for the tests and benchmarks.

One interface (base.Counterpart) over go-libp2p (go.P2pd), js-libp2p (js.JsPeer) and py-libp2p
(py.PyPeer). They come from PyPI and npm, pinned, into a cache outside the checkout.
netlab.py is an internet of network namespaces for them to live in, delay.py makes it slow.
"""
