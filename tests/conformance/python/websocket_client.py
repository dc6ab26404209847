"""One case of WebSocket; `websocket_client.py HOST PORT CASE` ends with 0 if it went well."""

import asyncio
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

HOST, PORT, CASE = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def to(path, **options):
    options.setdefault("max_size", None)
    options.setdefault("ping_interval", None)
    return connect(f"ws://websocket:8080{path}", host=HOST, port=PORT, proxy=None, **options)


def pattern(length):
    return bytes(place % 251 for place in range(length))


async def echo():
    for compression in (None, "deflate"):
        async with to("/", compression=compression) as socket:
            for length in (0, 1, 125, 126, 127, 65535, 65536, 200001):
                for message in (pattern(length), "ä" * length):
                    await socket.send(message)
                    assert await socket.recv() == message, length
            many = [f"message {number}" for number in range(500)]
            for message in many:
                await socket.send(message)
            assert [await socket.recv() for _ in many] == many


async def large():
    async with to("/", compression=None) as socket:
        message = pattern(16 << 20)
        await socket.send(message)
        assert await socket.recv() == message


async def fragments():
    async with to("/", compression=None) as socket:
        await socket.send(["one ", "two ", "three"])
        assert await socket.recv() == "one two three"
        for number in range(20):
            await asyncio.wait_for(await socket.ping(f"ping {number}"), 20)


async def greeting():
    async with to("/greeting") as socket:
        assert await socket.recv() == "hello from the server"


async def close():
    async with to("/close") as socket:
        try:
            await socket.recv()
            raise AssertionError("the server did not close")
        except ConnectionClosedError as error:
            assert (error.rcvd.code, error.rcvd.reason) == (4321, "the server's reason"), error
    async with to("/") as socket:
        await socket.close(4000, "the client's reason")
        assert (socket.close_code, socket.close_reason) == (4000, "the client's reason")


async def vanish():
    async def count():
        async with to("/vanished") as socket:
            return int(await socket.recv())
    before = await count()
    async with to("/watched") as socket:
        await socket.send("still here")
        await socket.recv()
        socket.transport.abort()
    for _ in range(500):
        if await count() > before:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the server still waits for a client that is gone")


async def refused():
    try:
        async with to("/refuse"):
            raise AssertionError("not refused")
    except InvalidStatus as error:
        assert error.response.status_code == 403, error.response
        assert error.response.body == b"not for you\n", error.response


async def negotiate():
    async with to("/", subprotocols=["chat.mesh"], compression="deflate") as socket:
        assert socket.subprotocol == "chat.mesh", socket.subprotocol
        offered = socket.response.headers.get("Sec-WebSocket-Extensions", "")
        assert "permessage-deflate" in offered, offered
        text = "squeeze " * 50000
        await socket.send(text)
        assert await socket.recv() == text


async def many():
    async def one(number):
        async with to("/") as socket:
            for turn in range(5):
                await socket.send(f"{number} {turn}")
                assert await socket.recv() == f"{number} {turn}"
            await everybody.wait()
            await socket.send("last")
            assert await socket.recv() == "last"
    everybody = asyncio.Barrier(200)
    await asyncio.gather(*(one(number) for number in range(200)))


asyncio.run(asyncio.wait_for(globals()[CASE](), 50))
