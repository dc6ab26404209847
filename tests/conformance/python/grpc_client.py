"""One case of gRPC; `grpc_client.py HOST PORT CASE` ends with 0 if it went well."""

import hashlib
import json
import sys
import time
import uuid

import grpc

HOST, PORT, CASE = sys.argv[1], sys.argv[2], sys.argv[3]
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1),
             ("grpc.default_authority", "grpc:8080"), ("grpc.enable_retries", 0)]
channel = grpc.insecure_channel(f"{HOST}:{PORT}", options=UNLIMITED)
NAME = "/mesh.test.Calls/"
LIMIT = 50


def unary_unary(method):
    return channel.unary_unary(NAME + method)


def ask(method, message):
    return unary_unary(method)(message, timeout=LIMIT)


def eventually(question):
    for _ in range(1000):
        answer = question()
        if answer:
            return answer
        time.sleep(0.02)
    raise AssertionError("not within 20 seconds")


def unary():
    for length in (0, 1, 16379, 65535, 1 << 20):
        message = bytes(length)
        binary = bytes(range(256))
        given = [("x-text", "some text"), ("x-raw-bin", binary), ("x-many", "1"), ("x-many", "2")]
        answer, call = unary_unary("Unary").with_call(message, metadata=given, timeout=LIMIT)
        assert answer == message, length
        initial, trailing = list(call.initial_metadata()), list(call.trailing_metadata())
        for prefix, got in (("initial-", initial), ("trailing-", trailing)):
            got = [(key, value) for key, value in got if key.startswith(prefix)]
            # A proxy may join values of one name.
            joined = dict()
            for key, value in got:
                joined[key] = value if key not in joined else joined[key] + b"," + value \
                    if isinstance(value, bytes) else joined[key] + "," + value
            many = joined[prefix + "x-many"].replace(", ", ",")
            assert joined[prefix + "x-text"] == "some text", got
            assert joined[prefix + "x-raw-bin"] == binary, got
            assert many == "1,2", got
        assert call.code() == grpc.StatusCode.OK


def client_stream():
    messages = [bytes([number % 256]) * (number * 37 % 5000) for number in range(2000)]
    call = channel.stream_unary(NAME + "ClientStream")
    count, digest = json.loads(call(iter(messages), timeout=LIMIT))
    assert count == 2000, count
    assert digest == hashlib.sha256(b"".join(messages)).hexdigest()
    assert json.loads(call(iter([]), timeout=LIMIT))[0] == 0


def server_stream():
    call = channel.unary_stream(NAME + "ServerStream")
    for count, size in ((0, 1), (1, 1), (3000, 1000), (50, 1 << 20)):
        got = 0
        for message in call(json.dumps({"count": count, "size": size}).encode(), timeout=LIMIT):
            assert message == bytes([got % 256]) * size, got
            got += 1
        assert got == count, got


def bidirectional():
    """Each message is sent when the answer to the one before is there."""
    import queue
    outgoing = queue.Queue()
    call = channel.stream_stream(NAME + "Bidirectional")(iter(outgoing.get, None), timeout=LIMIT)
    for number in range(300):
        message = str(number).encode() * (number % 50 + 1)
        outgoing.put(message)
        assert next(call) == message, number
    outgoing.put(None)
    assert list(call) == []
    assert call.code() == grpc.StatusCode.OK
    messages = [bytes(1000)] * 2000
    assert list(channel.stream_stream(NAME + "Bidirectional")(iter(messages), timeout=LIMIT)) == messages


def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("no error")


def errors():
    text = "why: 100 % – ünlucky\nsecond line"
    for code in range(1, 17):
        order = json.dumps({"code": code, "text": text}).encode()
        error = failure(lambda: ask("Fail", order))
        assert error.code().value[0] == code, error
        assert error.details() == text, error.details()
        trailing = dict(error.trailing_metadata())
        assert trailing["x-why"] == "because", trailing
        assert trailing["x-why-bin"] == bytes(range(256)), trailing
    error = failure(lambda: ask("Nothing", b""))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
    stream = channel.unary_stream(NAME + "FailLater")(json.dumps({"code": 9, "text": text}).encode(), timeout=LIMIT)
    assert next(stream) == b"first"
    error = failure(lambda: next(stream))
    assert (error.code().value[0], error.details()) == (9, text), error


def exhausted():
    for _ in range(10):
        failure(lambda: ask("Fail", json.dumps({"code": 8, "text": "no more"}).encode()))


def until(what, name):
    """Asks the server of a waiting call until it has begun or ended."""
    def told():
        answer = json.loads(ask("HowEnded", name))
        return answer if answer[what] else None
    return eventually(told)


def deadline():
    for method in ("Wait", "WaitStream"):
        name = uuid.uuid4().hex.encode()
        if method == "Wait":
            error = failure(lambda: unary_unary("Wait")(name, timeout=1.0))
        else:
            stream = channel.unary_stream(NAME + method)(name, timeout=1.0)
            assert next(stream) == b"begun"
            error = failure(lambda: next(stream))
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
        left = until("ended", name)["left"]
        # grpcio rounds what it writes into grpc-timeout up.
        assert 0 < left <= 1.1, f"the server was given {left} seconds"


def cancel():
    for method in ("Wait", "WaitStream"):
        name = uuid.uuid4().hex.encode()
        if method == "Wait":
            call = unary_unary(method).future(name)
        else:
            call = channel.unary_stream(NAME + method)(name)
            assert next(call) == b"begun"
        until("begun", name)
        call.cancel()
        until("ended", name)
        assert call.cancelled()
    assert ask("Unary", b"after") == b"after"


def large():
    message = bytes(range(256)) * (64 << 12)
    assert len(message) == 64 << 20
    assert ask("Unary", message) == message
    got = list(channel.stream_stream(NAME + "Bidirectional")(iter([message]), timeout=LIMIT))
    assert got == [message]


def slow_reader():
    """A stream of 512 MiB is opened and read no further than its first message."""
    name = uuid.uuid4().hex
    order = json.dumps({"count": 512, "size": 1 << 20, "name": name}).encode()
    stream = channel.unary_stream(NAME + "ServerStream")(order, timeout=LIMIT)
    assert len(next(stream)) == 1 << 20
    # Other calls go on beside it.
    for _ in range(200):
        assert ask("Unary", b"beside") == b"beside"
    sent = int(ask("HowManySent", name.encode()))
    assert sent < 256, f"{sent} MiB are somewhere between server and client"
    rest = sum(len(message) for message in stream)
    assert rest == 511 << 20, rest


def many():
    call = unary_unary("Unary")
    calls = [call.future(str(number).encode(), timeout=LIMIT) for number in range(1000)]
    for number, one in enumerate(calls):
        assert one.result() == str(number).encode()


globals()[CASE]()
