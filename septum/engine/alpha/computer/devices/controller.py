"""How does a SCSI controller pass commands on? A virtio SCSI host. VIRTIO 1.2, 5.6.

One target with one logical unit. Commands are done in their order, so there is never one to
abort: task management has nothing left to do and says that it is complete.
"""

from __future__ import annotations

from septum.engine.alpha.computer.description import SCSI
from septum.engine.alpha.computer.devices.function import MemoryPort
from septum.engine.alpha.computer.devices.identity import IDENTITIES
from septum.engine.alpha.computer.devices.queue import Chain, gather, scatter
from septum.engine.alpha.computer.devices.scsi import Result, ScsiDisk
from septum.engine.alpha.computer.devices.timeline import Timeline
from septum.engine.alpha.computer.devices.virtio import AT_ONCE, Kind, VirtioFunction
from septum.layouts import virtio

_QUEUE_SIZE = 128
_LARGEST_TRANSFER = 2048  # sectors, advice to the driver
_COMMANDS = 32  # at a time for a logical unit, advice too
_REQUEST = virtio.SCSI_REQUEST.size
_RESPONSE = virtio.SCSI_RESPONSE.size
_EVENT_SIZE = 16
_HIGHEST_COMMAND = 260  # bytes; SPC-4 4.3.1
_HIGHEST_SENSE = 252


class ScsiController(VirtioFunction):
    """The controller and the disk on it."""

    def __init__(
        self, slot: int, port: MemoryPort, timeline: Timeline, latency: int, target: ScsiDisk
    ) -> None:
        self.target = target
        settings = virtio.SCSI_CONFIGURATION.pack(
            1,
            _QUEUE_SIZE - 2,
            _LARGEST_TRANSFER,
            _COMMANDS,
            _EVENT_SIZE,
            virtio.SENSE_SIZE,
            virtio.CDB_SIZE,
            0,
            0,
            0,
        )
        self._settings = settings
        queues = (_QUEUE_SIZE, _QUEUE_SIZE, _QUEUE_SIZE)
        kind = Kind(IDENTITIES[SCSI], 0, queues, settings)
        super().__init__(slot, port, timeline, latency, kind)

    def reset(self) -> None:
        """Sizes are the usual ones again."""
        super().reset()
        self.configuration[:] = self._settings

    def write_device(self, offset: int, size: int, value: int) -> None:
        """The sizes of sense data and commands are the driver's to set."""
        most = {virtio.SENSE_SIZE_AT: _HIGHEST_SENSE, virtio.CDB_SIZE_AT: _HIGHEST_COMMAND}
        if size == 4 and 0 < value <= most.get(offset, 0):
            self.configuration[offset : offset + size] = value.to_bytes(size, "little")

    def _setting(self, offset: int) -> int:
        return int.from_bytes(self.configuration[offset : offset + 4], "little")

    def serve(self, number: int) -> bool:
        """Commands, or task management; buffers for events are left where they are."""
        if number == virtio.EVENTS:
            return False
        queue = self.queues[number]
        for _ in range(AT_ONCE):
            chain = queue.take(self)
            if chain is None:
                break
            done = self._request if number == virtio.REQUESTS else self._manage
            queue.give_back(self, chain, done(chain))
        self.done(queue)
        return queue.rearm(self)

    def _manage(self, chain: Chain) -> int:
        request = gather(self, chain.readable, virtio.TASK_MANAGEMENT_SIZE)
        kind = int.from_bytes(request[:4], "little")
        if kind == virtio.TASK_MANAGEMENT:
            return scatter(self, chain.writable, bytes([virtio.SCSI_OK]))
        answer = virtio.NOTIFICATION_RESPONSE.pack(0, virtio.SCSI_OK)
        return scatter(self, chain.writable, answer)

    def _request(self, chain: Chain) -> int:
        sense_size = self._setting(virtio.SENSE_SIZE_AT)
        command_size = self._setting(virtio.CDB_SIZE_AT)
        head = _REQUEST + command_size
        request = gather(self, chain.readable, head)
        if len(request) < head or chain.room < _RESPONSE + sense_size:
            return self._respond(chain, b"", 0, 0, virtio.SCSI_FAILURE, sense_size)
        unit, _, _, _, _ = virtio.SCSI_REQUEST.unpack_from(request)
        response = _addressed(unit)
        if response != virtio.SCSI_OK:
            return self._respond(chain, b"", 0, 0, response, sense_size)
        result = self.target.execute(request[_REQUEST:].ljust(16, b"\0"))
        moved, wanted = self._transfer(chain, result, head, _RESPONSE + sense_size)
        residual = max(wanted - moved, 0)
        self._respond(chain, result.sense, residual, result.status, virtio.SCSI_OK, sense_size)
        return _RESPONSE + sense_size + (moved if result.expects is None else 0)

    def _transfer(self, chain: Chain, result: Result, head: int, answer: int) -> tuple[int, int]:
        """Move the data; how many bytes were moved, and how many the driver had room for."""
        if result.expects is not None:
            given = sum(buffer.length for buffer in chain.readable) - head
            data = gather(self, chain.readable, len(result.expects), head)
            result.expects[: len(data)] = data
            return len(data), given
        moved = scatter(self, chain.writable, result.data, answer)
        return moved, chain.room - answer

    def _respond(
        self, chain: Chain, sense: bytes, residual: int, status: int, response: int, size: int
    ) -> int:
        sense = sense[:size]
        residual = min(residual, virtio.WORD)
        head = virtio.SCSI_RESPONSE.pack(len(sense), residual, 0, status, response)
        return scatter(self, chain.writable, head + sense)


def _addressed(unit: bytes) -> int:
    """Whose a logical unit's address is: the response, SCSI_OK for the one there is. 5.6.6.1."""
    if unit[0] != virtio.UNIT_FORMAT or unit[1]:
        return virtio.SCSI_BAD_TARGET
    number = int.from_bytes(unit[2:4], "big") & virtio.UNIT_BITS
    return virtio.SCSI_INCORRECT_UNIT if number else virtio.SCSI_OK
