"""The node's mode on this machine: probe, classifier, mode controller, schedule, ledger."""
