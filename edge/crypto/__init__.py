"""Keys, signatures, Diffie-Hellman and AEAD: one interface, a native and a pure backend."""
