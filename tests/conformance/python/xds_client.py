"""A gRPC client that resolves `xds:///HOST:PORT` by itself; `xds_client.py TARGET`.

It makes as many calls as a line on its standard input says, one after the other, and answers with a line of JSON: how
many of them each server answered, and the errors of the others.
"""

import json
import sys
from collections import Counter

import grpc
import grpc.experimental

credentials = grpc.xds_channel_credentials(grpc.experimental.insecure_channel_credentials())
channel = grpc.secure_channel(sys.argv[1], credentials)
ask = channel.unary_unary("/mesh.test.Calls/Who")

for line in sys.stdin:
    answers, errors = Counter(), Counter()
    for _ in range(int(line)):
        try:
            answers[ask(b"", timeout=20, wait_for_ready=True).decode()] += 1
        except grpc.RpcError as error:
            errors[f"{error.code().name}: {error.details()}"] += 1
    print(json.dumps({"answers": answers, "errors": errors}), flush=True)
