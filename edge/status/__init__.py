"""The node's report on itself: the status socket, its answers, and the commands that ask."""
