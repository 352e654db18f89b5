"""What the node says about itself: the status socket, its answers, and the commands that ask."""
