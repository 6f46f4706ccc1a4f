"""What does CPUID tell one virtual processor of an instance? Made of what this KVM supports.

Intel SDM volume 2A, CPUID; AMD64 Architecture Programmer's Manual, volume 3, appendix E;
Documentation/virt/kvm/x86/cpuid.rst of Linux 6.12. Leaves in, leaves out: no KVM is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from septum.layouts import kvm
from septum.layouts.kvm import Cpuid

_TOPOLOGIES = (Cpuid.TOPOLOGY, Cpuid.TOPOLOGY_V2)


def presented(
    supported: Iterable[kvm.CpuidEntry], number: int, count: int, nested: bool = False
) -> list[kvm.CpuidEntry]:
    """All leaves for processor `number` (its APIC id) of `count`: one core each, one package.

    Without `nested` it has no virtualization of its own.
    """
    leaves: list[kvm.CpuidEntry] = []
    for entry in supported:
        if entry.function in _TOPOLOGIES:
            # From Linux 6.2 on KVM lists one empty level: the levels are the VMM's to tell.
            if entry.index == 0:
                leaves += _levels(entry.function, number, count)
            continue
        leaf = kvm.CpuidEntry.from_buffer_copy(entry)
        _number(leaf, number, count)
        if not nested:
            _conceal_virtualization(leaf)
        leaves.append(leaf)
    return leaves


def can_nest(supported: Iterable[kvm.CpuidEntry]) -> bool:
    """Whether this KVM lets a guest run virtual machines of its own."""
    bits = {Cpuid.FEATURES: Cpuid.VMX, Cpuid.AMD_FEATURES: Cpuid.SVM}
    return any(leaf.ecx & bits.get(leaf.function, 0) for leaf in supported)


def address_bits(supported: Iterable[kvm.CpuidEntry]) -> int:
    """How many bits a physical address has."""
    for leaf in supported:
        if leaf.function == Cpuid.SIZES:
            return leaf.eax & Cpuid.BYTE
    return Cpuid.OLD_ADDRESS_BITS


def _conceal_virtualization(leaf: kvm.CpuidEntry) -> None:
    if leaf.function == Cpuid.FEATURES:
        leaf.ecx &= ~Cpuid.VMX
    elif leaf.function == Cpuid.AMD_FEATURES:
        leaf.ecx &= ~Cpuid.SVM
    elif leaf.function == Cpuid.AMD_SVM:
        leaf.eax = leaf.ebx = leaf.ecx = leaf.edx = 0


def _levels(function: int, number: int, count: int) -> Iterator[kvm.CpuidEntry]:
    """Threads (one a core), cores, and the level that ends the list."""
    bits = (count - 1).bit_length()
    for index, (kind, shift, processors) in enumerate(
        ((Cpuid.LEVEL_THREAD, 0, 1), (Cpuid.LEVEL_CORE, bits, count), (Cpuid.LEVEL_END, 0, 0))
    ):
        yield kvm.CpuidEntry(
            function=function,
            index=index,
            flags=kvm.CPUID_HAS_INDEX,
            eax=shift,
            ebx=processors,
            ecx=kind << Cpuid.LEVEL_KIND_SHIFT | index,
            edx=number,
        )


def _number(leaf: kvm.CpuidEntry, number: int, count: int) -> None:
    if leaf.function == Cpuid.FEATURES:
        leaf.ecx |= Cpuid.TSC_DEADLINE | Cpuid.HYPERVISOR
        # Eight bits each. Beyond them the topology leaf has all of the id. SDM 3A, 8.9.2.
        leaf.ebx = (
            leaf.ebx & Cpuid.NUMBERS_KEPT
            | min(count, Cpuid.BYTE) << Cpuid.LOGICAL_SHIFT
            | (number & Cpuid.BYTE) << Cpuid.APIC_ID_SHIFT
        )
        leaf.edx = leaf.edx | Cpuid.HTT if count > 1 else leaf.edx & ~Cpuid.HTT
    elif leaf.function in (Cpuid.CACHES, Cpuid.AMD_CACHES) and leaf.eax & Cpuid.CACHE_TYPE:
        # The last level is the package's, the others each core's.
        level = leaf.eax >> Cpuid.CACHE_LEVEL_SHIFT & Cpuid.CACHE_LEVEL_MASK
        sharing = min(count - 1, Cpuid.CACHE_SHARING_MOST) if level >= Cpuid.LAST_LEVEL else 0
        cores = min(count - 1, Cpuid.CACHE_CORES_MOST) if leaf.function == Cpuid.CACHES else 0
        leaf.eax = (
            leaf.eax & Cpuid.CACHE_KEPT
            | sharing << Cpuid.CACHE_SHARING_SHIFT
            | cores << Cpuid.CACHE_CORES_SHIFT
        )
    elif leaf.function == Cpuid.KVM_FEATURES:
        # Linux's paravirtual spinlocks halt and wait for a kick. Under nested SVM a kick was
        # seen to get lost, and both systems hung in it; without the bit its locks only spin.
        leaf.eax &= ~Cpuid.PV_UNHALT
    elif leaf.function == Cpuid.SIZES:
        bits = (count - 1).bit_length()
        cores = min(count - 1, Cpuid.BYTE)
        leaf.ecx = leaf.ecx & ~Cpuid.CORES_MASK | bits << Cpuid.CORE_BITS_SHIFT | cores
    elif leaf.function == Cpuid.AMD_TOPOLOGY:
        # One thread a core, one node; older KVMs tell of the processor they were asked on.
        leaf.eax, leaf.ebx, leaf.ecx = number, number & Cpuid.BYTE, 0


def parsed(table: bytes | bytearray) -> list[kvm.CpuidEntry]:
    """The leaves of a struct kvm_cpuid2."""
    text = bytes(table)
    count = int.from_bytes(text[0:4], "little")
    size = kvm.CpuidEntry.SIZE
    return [
        kvm.CpuidEntry.from_buffer_copy(text, kvm.CPUID_HEADER + index * size)
        for index in range(count)
    ]


def packed(leaves: Sequence[kvm.CpuidEntry]) -> bytes:
    """A struct kvm_cpuid2 of these leaves."""
    header = len(leaves).to_bytes(4, "little").ljust(kvm.CPUID_HEADER, b"\0")
    return header + b"".join(bytes(leaf) for leaf in leaves)
