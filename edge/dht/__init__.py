"""The distributed hash table that hivemind and KwaaiNet find each other by."""
