"""A WebSocket server: echoes, greets, closes; `websocket_server.py PORT`."""

import asyncio
import http
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

vanished = 0


async def talk(socket):
    global vanished
    path = socket.request.path
    if path == "/greeting":
        await socket.send("hello from the server")
    if path == "/close":
        await socket.close(4321, "the server's reason")
        return
    if path == "/vanished":
        await socket.send(str(vanished))
    try:
        async for message in socket:
            if message == "which code?":
                continue
            await socket.send(message)
    except ConnectionClosed:
        pass
    if path == "/watched" and socket.close_code == 1006:
        vanished += 1
    if path == "/codes":
        print("closed with", socket.close_code, socket.close_reason)


def admit(socket, request):
    if request.path == "/refuse":
        return socket.respond(http.HTTPStatus.FORBIDDEN, "not for you\n")


def choose(socket, offered):
    return "chat.mesh" if "chat.mesh" in offered else None


async def main():
    async with serve(talk, "127.0.0.1", int(sys.argv[1]), max_size=None, ping_interval=None,
                     process_request=admit, select_subprotocol=choose) as server:
        await server.serve_forever()


asyncio.run(main())
