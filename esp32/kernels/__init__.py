"""Writes the kernels of kw that are long because they are unrolled: kw/_chacha20.py and so on.

    python -m esp32.kernels

What is written is committed, so that it can be read and run as it is; a test holds it equal to what
is written here. Each module of this package prints one file, and proves on the way that no sum in
it exceeds the 32 bits of the device's word.

Viper keeps the first two locals of a function in registers, arguments first, and all others on the
stack, where each use costs up to five instructions. So the kernels' first two arguments are not
arguments at all: callers pass 0, and the hottest two values live there.

One text serves words of 32 and of 64 bits: where a wider word would keep bits that a narrower
one drops, they are masked after a right shift, by a constant that fits into any word.
"""
