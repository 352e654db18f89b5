"""The Debian package without debhelper: one static file, and what makes it a service.

`recipe` says what is in it, from ../files and the program itself; `manual` has the manual page and
the completion, from the command line's own help; `deb` writes the format. Nothing here is in the
package.
"""
