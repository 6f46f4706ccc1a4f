"""How does an Ethernet card send and receive? A virtio network device. VIRTIO 1.2, 5.1."""

from __future__ import annotations

from collections import deque

from septum.engine.alpha.computer.description import ETHERNET
from septum.engine.alpha.computer.devices.function import MemoryPort
from septum.engine.alpha.computer.devices.identity import IDENTITIES
from septum.engine.alpha.computer.devices.queue import gather, scatter
from septum.engine.alpha.computer.devices.timeline import Timeline
from septum.engine.alpha.computer.devices.virtio import AT_ONCE, Kind, VirtioFunction
from septum.engine.alpha.computer.devices.wire import Wire
from septum.layouts import ethernet, virtio

_QUEUE_SIZE = 256
_HEADER = virtio.NETWORK_HEADER.size
_ONE_BUFFER = virtio.NETWORK_HEADER.pack(0, 0, 0, 0, 0, 0, 1)
_WAITING = 64  # frames that find no buffer wait; more are lost


class NetworkCard(VirtioFunction):
    """The card on one wire. It neither computes checksums nor cuts segments."""

    def __init__(
        self,
        slot: int,
        port: MemoryPort,
        timeline: Timeline,
        latency: int,
        address: bytes,
        wire: Wire,
    ) -> None:
        kind = Kind(
            IDENTITIES[ETHERNET],
            1 << virtio.NETWORK_ADDRESS | 1 << virtio.NETWORK_STATUS,
            (_QUEUE_SIZE, _QUEUE_SIZE),
            virtio.NETWORK_CONFIGURATION.pack(address, virtio.LINK_UP),
        )
        self.address = address
        self.cable = wire
        self.lost = 0  # frames that came while nobody had room, or could not be delivered
        self._waiting: deque[bytes] = deque()
        super().__init__(slot, port, timeline, latency, kind)
        wire.deliver = self._receive

    def reset(self) -> None:
        """What waited is lost."""
        super().reset()
        self._waiting.clear()

    def serve(self, number: int) -> bool:
        """New buffers to receive into, or frames to send."""
        if number == virtio.TRANSMIT:
            return self._transmit()
        self._fill()
        return False

    def _transmit(self) -> bool:
        queue = self.queues[virtio.TRANSMIT]
        for _ in range(AT_ONCE):
            chain = queue.take(self)
            if chain is None:
                break
            frame = gather(self, chain.readable, ethernet.LARGEST_FRAME + 1, _HEADER)
            if ethernet.HEADER.size <= len(frame) <= ethernet.LARGEST_FRAME:
                self.cable.send(frame.ljust(ethernet.LEAST_FRAME, b"\0"))
            queue.give_back(self, chain, 0)
        self.done(queue)
        return queue.rearm(self)

    def _receive(self, frame: bytes) -> None:
        is_mine = frame[0] & ethernet.GROUP or frame.startswith(self.address)
        if not is_mine or not self.is_running or len(self._waiting) >= _WAITING:
            self.lost += 1
            return
        self._waiting.append(frame)
        self.guarded(virtio.RECEIVE)

    def _fill(self) -> None:
        queue = self.queues[virtio.RECEIVE]
        while self._waiting and queue.enabled:
            chain = queue.take(self)
            if chain is None:
                if not queue.rearm(self):
                    break
                continue
            whole = _ONE_BUFFER + self._waiting.popleft()
            fits = chain.room >= len(whole)
            self.lost += not fits
            queue.give_back(self, chain, scatter(self, chain.writable, whole) if fits else 0)
        if queue.enabled:
            self.done(queue)
