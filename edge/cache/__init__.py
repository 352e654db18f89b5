"""A cache of model files: one store, pulled through over HTTP, shared in pieces with peers."""
