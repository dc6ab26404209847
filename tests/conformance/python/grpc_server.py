"""A gRPC server whose messages are plain bytes; `grpc_server.py PORT`."""

import hashlib
import json
import os
import sys
import threading
from concurrent import futures

import grpc

lock = threading.Lock()
begun = set()
ended = {}
sent = {}


def echo_metadata(context):
    given = [(key, value) for key, value in context.invocation_metadata() if key.startswith("x-")]
    context.send_initial_metadata([(f"initial-{key}", value) for key, value in given])
    context.set_trailing_metadata([(f"trailing-{key}", value) for key, value in given])


def unary(message, context):
    echo_metadata(context)
    return message


def client_stream(messages, context):
    digest, count = hashlib.sha256(), 0
    for message in messages:
        digest.update(message)
        count += 1
    return json.dumps([count, digest.hexdigest()]).encode()


def server_stream(message, context):
    order = json.loads(message)
    for number in range(order["count"]):
        with lock:
            sent[order.get("name")] = number + 1
        yield bytes([number % 256]) * order["size"]


def bidirectional(messages, context):
    echo_metadata(context)
    for message in messages:
        yield message


def fail(message, context):
    order = json.loads(message)
    context.set_trailing_metadata([("x-why", "because"), ("x-why-bin", bytes(range(256)))])
    code = next(code for code in grpc.StatusCode if code.value[0] == order["code"])
    context.abort(code, order["text"])


def fail_later(message, context):
    yield b"first"
    fail(message, context)


def wait(message, context):
    """Until the call ends; how much time it had is remembered under the message's name."""
    with lock:
        begun.add(message)
    over = threading.Event()
    left = context.time_remaining()
    context.add_callback(over.set)
    over.wait(30)
    with lock:
        ended[message] = left


def wait_stream(message, context):
    yield b"begun"
    wait(message, context)


def how_ended(message, context):
    with lock:
        return json.dumps({"begun": message in begun, "ended": message in ended, "left": ended.get(message)}).encode()


def how_many_sent(message, context):
    with lock:
        return str(sent.get(message.decode(), 0)).encode()


def who(message, context):
    return os.environ["SERVER_NAME"].encode()


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
    "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "Bidirectional": grpc.stream_stream_rpc_method_handler(bidirectional),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "FailLater": grpc.unary_stream_rpc_method_handler(fail_later),
    "Wait": grpc.unary_unary_rpc_method_handler(wait),
    "WaitStream": grpc.unary_stream_rpc_method_handler(wait_stream),
    "HowEnded": grpc.unary_unary_rpc_method_handler(how_ended),
    "HowManySent": grpc.unary_unary_rpc_method_handler(how_many_sent),
    "Who": grpc.unary_unary_rpc_method_handler(who),
}

server = grpc.server(
    futures.ThreadPoolExecutor(max_workers=32),
    options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("mesh.test.Calls", METHODS),))
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
server.wait_for_termination()
