"""Real libp2p peers, installed, started and driven for the tests and benchmarks.

One interface (base.Counterpart) over go-libp2p (go_peer.P2pd), js-libp2p (js_peer.JsPeer),
py-libp2p (py_peer.PyPeer) and our own node (ours_peer.OurPeer). The first three come from PyPI and
npm, pinned, into a cache outside the checkout.
hub.py stands in for the Hugging Face hub, which hub_users.py has the real clients of.
netlab.py is an internet of network namespaces for them to live in, delay.py makes it slow.
"""
