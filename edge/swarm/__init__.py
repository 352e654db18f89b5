"""The asyncio side: listen, dial, upgrade, connections, streams, peer store, limits."""
