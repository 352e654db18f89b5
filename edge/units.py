"""Binary units of bytes (IEC 80000-13)."""

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
