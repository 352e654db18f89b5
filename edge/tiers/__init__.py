"""What the node does on this machine, now: probe, classifier, mode controller, schedule, ledger."""
