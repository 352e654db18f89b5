"""What status and the metrics show of the cache."""

from __future__ import annotations

from edge.view import View

VIEW = View()
