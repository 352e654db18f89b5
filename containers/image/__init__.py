"""The container image of the relay: the static binary, its licences and bill of materials, no more.

`relay` says what is in the image and how it runs; `oci` writes the formats, as values: the same
sources give the same bytes. Nothing is run or pulled, so an image is made on any machine for any.
"""
