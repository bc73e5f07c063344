"""The camera's child with a decoder that dies or hangs on a code that says so."""

import os
import signal
import sys
import time

from edge_agent.readers import worker
from edge_agent.readers.decode import Decoded, decode


def poisoned(*arguments: object, **options: object) -> Decoded:
    found = decode(*arguments, **options)
    if b"KILL" in b"".join(found.payloads):
        os.kill(os.getpid(), signal.SIGKILL)
    if b"HANG" in b"".join(found.payloads):
        time.sleep(1000)
    return found


if __name__ == "__main__":
    worker.decode = poisoned
    worker.main(sys.argv[1:])
