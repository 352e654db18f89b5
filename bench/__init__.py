"""`make bench`: relays side by side under the same load, in the same run.

builds.py compiles what is compiled, relays.py starts a relay, figures.py lets go/load drive it and
reads its costs, report.py makes the table. What the figures mean stands in docs/benchmarks.md.
"""
