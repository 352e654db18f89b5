"""Hypothesis without a deadline for single examples: a loaded machine is no fault."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
