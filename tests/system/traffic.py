# SPDX-License-Identifier: LGPL-2.1-or-later
"""Traffic between two namespaces, and what became of it: numbered datagrams, bytes by TCP."""

import socket
import struct
import threading
import time

from vnettest import wait_until


class Stream:
    """Sends one every `interval` seconds until stop(); a context manager."""

    def __init__(self, sender, receiver, address, interval=0.005, port=7000):
        self.interval, self.running, self.sent = interval, True, 0
        self.arrivals = []          # (number, when)
        self.source = sender.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sink = receiver.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sink.bind((address, port))
        self.sink.settimeout(0.1)
        self.to = address, port
        self.threads = [threading.Thread(target=run) for run in (self._receive, self._send)]
        for thread in self.threads:
            thread.start()

    def _send(self):
        following = time.monotonic()
        while self.running:
            try:
                self.source.sendto(struct.pack("!I", self.sent), self.to)
            except OSError:
                pass                # the device may be away for a moment; it counts as lost
            self.sent += 1
            following += self.interval
            time.sleep(max(0, following - time.monotonic()))

    def _receive(self):
        quiet = 0
        while self.running or quiet < 5:
            try:
                self.arrivals.append((struct.unpack("!I", self.sink.recv(16))[0], time.monotonic()))
                quiet = 0
            except TimeoutError:
                quiet += 1

    def flowing(self, deadline=10):
        """Waits until what is sent from now on arrives; seconds until then."""
        since, number = time.monotonic(), self.sent
        wait_until(lambda: self.arrivals and self.arrivals[-1][0] > number, deadline, "traffic",
                   interval=0.01)
        return time.monotonic() - since

    def stop(self):
        self.running = False
        for thread in self.threads:
            thread.join()
        self.source.close()
        self.sink.close()

    def lost(self):
        """Numbers that never came; after stop()."""
        return sorted(set(range(self.sent)) - {number for number, _ in self.arrivals})

    def doubled(self):
        return len(self.arrivals) - len({number for number, _ in self.arrivals})

    def gap(self, since=0):
        """The longest time without an arrival, in seconds, from the number `since` on."""
        times = [when for number, when in self.arrivals if number >= since]
        return max((after - before for before, after in zip(times, times[1:])), default=0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.running:
            self.stop()


def transfer(sender, receiver, address, data, port=7000):
    """Sends it by TCP to an address of the receiver, which must get it unaltered."""
    listener = receiver.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen()
    out = sender.socket(socket.AF_INET, socket.SOCK_STREAM)
    out.connect((address, port))
    into, _ = listener.accept()

    def send():
        out.sendall(data)
        out.close()
    thread = threading.Thread(target=send)
    thread.start()
    got = bytearray()
    with into, listener:
        while part := into.recv(1 << 16):
            got += part
    thread.join()
    assert got == data, f"{len(got)} bytes, not the {len(data)} that were sent"


class Connection:
    """One TCP connection that is kept busy until stop(); what is read is checked as it comes."""

    BLOCK = bytes(range(256)) * 64

    def __init__(self, sender, receiver, address, port=7010):
        self.running, self.sent, self.got, self.wrong = True, 0, 0, None
        listener = receiver.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind((address, port))
        listener.listen()
        self.out = sender.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.out.connect((address, port))
        self.into, _ = listener.accept()
        listener.close()
        self.threads = [threading.Thread(target=run) for run in (self._receive, self._send)]
        for thread in self.threads:
            thread.start()

    def _send(self):
        while self.running:
            self.out.sendall(self.BLOCK)
            self.sent += len(self.BLOCK)
        self.out.shutdown(socket.SHUT_WR)

    def _receive(self):
        while part := self.into.recv(1 << 16):
            start = self.got % 256
            if part != (self.BLOCK * (len(part) // len(self.BLOCK) + 2))[start:start + len(part)]:
                self.wrong = self.got
            self.got += len(part)

    def flowing(self, more=1 << 16, deadline=20):
        """Waits until so many more bytes have come; seconds until then."""
        since, before = time.monotonic(), self.got
        wait_until(lambda: self.got >= before + more, deadline, "bytes by TCP", interval=0.01)
        return time.monotonic() - since

    def stop(self):
        """All bytes that were sent have come, as they were sent."""
        self.running = False
        for thread in self.threads:
            thread.join()
        self.out.close()
        self.into.close()
        assert self.wrong is None and self.got == self.sent, (self.wrong, self.got, self.sent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.running:
            self.stop()
