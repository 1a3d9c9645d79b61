"""The model that comes along: which there are, how one is fetched, and what its server is told of it."""
