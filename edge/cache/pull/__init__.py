"""Files of origins, pulled through the store: once for all who wait, served while they arrive."""
