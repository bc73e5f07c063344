"""Waiting for the head to move."""

import asyncio

from sync_server.stream.head_watch import HeadWatch, wait_until


async def test_p5_a_loop_that_waits_on_a_closed_watch_starves_nobody() -> None:
    """A step that fails at once and a watch closed for good: others still run, and may end it."""
    heads = HeadWatch(asyncio.get_running_loop())
    heads.close()
    ran: list[int] = []
    asyncio.get_running_loop().call_soon(ran.append, 1)
    for _ in range(3):
        assert await wait_until(heads.moved(), 1)
    assert ran == [1]
