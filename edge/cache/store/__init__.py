"""The one store of the cache: files by their hashes, in pieces, on any directory or in memory."""
