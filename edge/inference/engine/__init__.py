"""What computes blocks."""
