"""One small HTTP server, for pages that programs read."""
