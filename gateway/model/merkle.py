"""The Merkle tree of the evidence log: hashes, proofs and their verification.

spec: RFC 9162 §2.1 - leaves are hashed behind 0x00, nodes behind 0x01, with SHA-256.  Everything asks for
*perfect subtrees* alone: ``subtree(level, index)`` is the hash over the leaves from ``index << level`` up to,
not including, ``(index + 1) << level``.  They never change once they are full, so whoever keeps them proves
anything about any size of the tree with a handful of look-ups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest

Subtree = Callable[[int, int], bytes]
"""The hash of a full subtree by level and index; level 0 are the leaves."""

Node = tuple[int, int, bytes]
"""A full subtree: its level, its index on that level, its hash."""

EMPTY = sha256(b"").digest()
"""The root of the tree without leaves."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return sha256(b"\1" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """A growing tree by its right edge: how many leaves it has, and its full subtrees, largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    @property
    def root(self) -> bytes:
        """The hash of the whole tree."""
        return _folded(self.peaks)

    def add(self, leaf: bytes) -> tuple[Frontier, tuple[Node, ...]]:
        """The tree with one more *leaf* (its hash), and the subtrees above the leaves that are full now."""
        peaks, level, index, here = list(self.peaks), 0, self.size, leaf
        made: list[Node] = []
        while index & 1:
            here = node_hash(peaks.pop(), here)
            level, index = level + 1, index >> 1
            made.append((level, index, here))
        peaks.append(here)
        return Frontier(self.size + 1, tuple(peaks)), tuple(made)

    def add_all(self, leaves: Iterable[bytes]) -> tuple[Frontier, list[Node]]:
        """``add`` for many."""
        frontier, made = self, list[Node]()
        for leaf in leaves:
            frontier, new = frontier.add(leaf)
            made += new
        return frontier, made


def root_of(size: int, subtree: Subtree) -> bytes:
    """The root of the first *size* leaves."""
    return _range(0, size, subtree)


def inclusion(number: int, size: int, subtree: Subtree) -> tuple[bytes, ...]:
    """The proof that leaf *number* is in the tree of *size* leaves.  spec: RFC 9162 §2.1.3.1"""
    if not 0 <= number < size:
        raise ValueError(f"leaf {number} is not in a tree of {size}")
    begin, end, proof = 0, size, list[bytes]()
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if number < middle:
            proof.append(_range(middle, end, subtree))
            end = middle
        else:
            proof.append(_range(begin, middle, subtree))
            begin = middle
    return tuple(reversed(proof))


def consistency(old: int, new: int, subtree: Subtree) -> tuple[bytes, ...]:
    """The proof that the tree of *old* leaves is the beginning of that of *new*.  spec: RFC 9162 §2.1.4.1"""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} is no beginning of one of {new}")
    if old == 0:
        return ()
    begin, end, is_whole, proof = 0, new, True, list[bytes]()
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            proof.append(_range(middle, end, subtree))
            end = middle
        else:
            proof.append(_range(begin, middle, subtree))
            begin, is_whole = middle, False
    if not is_whole:
        proof.append(_range(begin, end, subtree))
    return tuple(reversed(proof))


def is_included(leaf: bytes, number: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether *proof* leads from the *leaf* (its hash) at *number* to *root*.  spec: RFC 9162 §2.1.3.2"""
    if not 0 <= number < size:
        return False
    here, last, result = number, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if here & 1 or here == last:
            result = node_hash(step, result)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            result = node_hash(result, step)
        here, last = here >> 1, last >> 1
    return last == 0 and compare_digest(result, root)


def is_consistent(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether *proof* shows the old tree to be the beginning of the new one.  spec: RFC 9162 §2.1.4.2"""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        same = old_root == (EMPTY if old == 0 else new_root)
        return same and not proof
    steps = list(proof)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        return False
    here, last = old - 1, new - 1
    while here & 1:
        here, last = here >> 1, last >> 1
    before = after = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if here & 1 or here == last:
            before, after = node_hash(step, before), node_hash(step, after)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            after = node_hash(after, step)
        here, last = here >> 1, last >> 1
    return last == 0 and compare_digest(before, old_root) and compare_digest(after, new_root)


def _split(width: int) -> int:
    """The largest power of two below *width*."""
    return 1 << ((width - 1).bit_length() - 1)


def _range(begin: int, end: int, subtree: Subtree) -> bytes:
    """The hash over leaves *begin* to *end*, where *begin* is a place at which the tree splits."""
    return _folded([subtree(level, index) for level, index in _perfect(begin, end)])


def _perfect(begin: int, end: int) -> Iterator[tuple[int, int]]:
    while begin < end:
        level = (end - begin).bit_length() - 1
        yield level, begin >> level
        begin += 1 << level


def _folded(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return EMPTY
    result = peaks[-1]
    for peak in reversed(peaks[:-1]):
        result = node_hash(peak, result)
    return result
