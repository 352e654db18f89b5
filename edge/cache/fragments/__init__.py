"""Pieces of cached files, given to peers and had from them, each proven by its Merkle tree."""
