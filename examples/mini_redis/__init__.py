"""A small Redis, as Tokio's tutorial builds it, for `redis-cli`, `redis-benchmark` and redis-py.

    python -m examples.mini_redis --port 6379
    redis-cli -p 6379 set city Tokyo EX 60

One idea to a file; read them in this order:

- resp.py: the protocol, how commands are cut out of bytes, and replies are written;
- store.py: the values, shared by all connections on all workers, and their expiry;
- pubsub.py: who hears what is published;
- commands.py: what the commands do, one function for each;
- connection.py: one client: read, execute, answer all that came at once in one write;
- server.py: accepting, limits, and the orderly end.
"""
