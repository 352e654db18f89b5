"""Peer routing: peers and providers are found by their ids, through libp2p's DHT."""
