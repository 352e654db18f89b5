"""Codecs and state machines fed with anything: by hypothesis in the suite, by atheris at length."""
