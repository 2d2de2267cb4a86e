"""Channels between tasks."""

from __future__ import annotations

from .everyone import EVERYONE
from .workload import Group, Workload

GROUP = Group(
    "channels",
    "Channels",
    "A round trip is two messages, over two channels that hold one message each or any number. "
    "Nobody waits where one task sends and then receives. Ten producers and ten consumers share "
    "a channel that holds 100. asyncio's channel is its Queue.",
    (*EVERYONE, "bare threads"),
    (
        Workload("ping-pong", "round trip", "ping_pong", (10_000,), (5_000,), (10,)),
        Workload(
            "ping-pong-unbounded",
            "round trip, unbounded",
            "ping_pong_unbounded",
            (10_000,),
            None,
            (10,),
        ),
        Workload("send-receive", "nobody waits", "send_receive", (20_000,), (10_000,), (10,)),
        Workload(
            "many-to-many",
            "ten to ten",
            "many_to_many",
            (10, 2_000),
            (10, 1_000),
            (2, 5),
            operations=lambda pairs, count: pairs * count,
            result=lambda pairs, count: pairs * count,
        ),
    ),
)
