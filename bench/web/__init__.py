"""Web applications, how they are started, and `wrk`, which keeps them busy."""
