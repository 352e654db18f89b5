"""AutoNAT: peers find out whether this node can be reached, and it does so for them."""
