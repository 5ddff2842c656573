"""P-DATA-TF PDUs around a file, without a copy: one buffer in which the gaps between the headers are filled
by reading the file straight into them (PS3.8 §9.3.5 and Annex E)."""

import os
from collections.abc import Iterator
from struct import Struct

HEADER = Struct(">BxIIBB")
"""PDU type, PDU length, PDV length, presentation context, message control header."""
P_DATA = 0x04
COMMAND, LAST = 0x01, 0x02
CHUNK = 1 << 20
LARGEST_PDU = 1 << 17
FRONT = 1024


def fragment_size(max_pdu: int) -> int:
    """How many bytes of a message fit into a PDU of a peer that takes `max_pdu` (0: any); even."""
    return max(2, (min(max_pdu or LARGEST_PDU, LARGEST_PDU) - 6) & ~1)


def command_pdus(context: int, command: bytes, fragment: int) -> bytes:
    """A command set as P-DATA-TF PDUs: one, unless the peer's PDUs are tiny."""
    pdus = b""
    for start in range(0, len(command), fragment):
        part = command[start : start + fragment]
        control = COMMAND | (LAST if start + fragment >= len(command) else 0)
        pdus += HEADER.pack(P_DATA, len(part) + 6, len(part) + 2, context, control) + part
    return pdus


class Frames:
    """The buffer of one association: room for a command in front, then header, gap, header, gap, …"""

    def __init__(self, max_pdu: int) -> None:
        self.fragment = fragment_size(max_pdu)
        self._step = HEADER.size + self.fragment
        self._room = max(1, min(CHUNK // self.fragment, 512))
        self._buffer = bytearray(FRONT + self._room * self._step)
        self._view = memoryview(self._buffer)
        starts = range(FRONT, len(self._buffer), self._step)
        self._gaps = [self._view[start + HEADER.size : start + self._step] for start in starts]
        self._context = 0

    def pieces(self, context: int, command: bytes, file: int, start: int, end: int) -> Iterator[memoryview]:
        """What to send for one C-STORE-RQ: the first piece carries the command and the first fragments.

        `file` is a descriptor whose bytes `start` to `end` are the dataset. OSError when it is shorter.
        A piece is valid until the next one is asked for.
        """
        self._stamp(context)
        front = command_pdus(context, command, self.fragment)
        if len(front) > FRONT:
            yield memoryview(front)
            front = b""
        self._buffer[FRONT - len(front) : FRONT] = front
        while True:
            length = min(end - start, self._room * self.fragment)
            self._fill(file, start, length)
            start += length
            if start < end:
                yield self._view[FRONT - len(front) : FRONT + self._room * self._step]
                front = b""
                continue
            number = max(0, length - 1) // self.fragment
            at, size = FRONT + number * self._step, length - number * self.fragment
            HEADER.pack_into(self._buffer, at, P_DATA, size + 6, size + 2, context, LAST)
            yield self._view[FRONT - len(front) : at + HEADER.size + size]
            self._header(at, context)
            return

    def _stamp(self, context: int) -> None:
        if context != self._context:
            for start in range(FRONT, len(self._buffer), self._step):
                self._header(start, context)
            self._context = context

    def _header(self, at: int, context: int) -> None:
        HEADER.pack_into(self._buffer, at, P_DATA, self.fragment + 6, self.fragment + 2, context, 0)

    def _fill(self, file: int, start: int, length: int) -> None:
        whole, rest = divmod(length, self.fragment)
        gaps = self._gaps[:whole] + ([self._gaps[whole][:rest]] if rest else [])
        if length and os.preadv(file, gaps, start) != length:
            raise OSError("the file is shorter than it was")
