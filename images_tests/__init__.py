"""Whole machines and images, outside `make test`: `make images-test`."""
