"""The tree of RFC 9162 against a naive one written from the text, and against published vectors."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.merkle import (
    EMPTY,
    Frontier,
    consistency,
    inclusion,
    is_consistent,
    is_included,
    leaf_hash,
    root_of,
)

# Those with which RFC 6962's reference implementation is tested; published widely since.
ENTRIES = [
    bytes.fromhex(entry)
    for entry in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


class Naive:
    """RFC 9162 §2.1 as it is written: recursive, over all leaves, every time."""

    def __init__(self, entries: list[bytes]) -> None:
        self.entries = entries

    def root(self, entries: list[bytes] | None = None) -> bytes:
        d = self.entries if entries is None else entries
        if not d:
            return sha256().digest()
        if len(d) == 1:
            return sha256(b"\0" + d[0]).digest()
        k = self.k(len(d))
        return sha256(b"\1" + self.root(d[:k]) + self.root(d[k:])).digest()

    def path(self, m: int, d: list[bytes]) -> list[bytes]:
        if len(d) == 1:
            return []
        k = self.k(len(d))
        if m < k:
            return [*self.path(m, d[:k]), self.root(d[k:])]
        return [*self.path(m - k, d[k:]), self.root(d[:k])]

    def proof(self, m: int, d: list[bytes], whole: bool = True) -> list[bytes]:
        if m == len(d):
            return [] if whole else [self.root(d)]
        k = self.k(len(d))
        if m <= k:
            return [*self.proof(m, d[:k], whole), self.root(d[k:])]
        return [*self.proof(m - k, d[k:], False), self.root(d[:k])]

    def subtree(self, level: int, index: int) -> bytes:
        part = self.entries[index << level : (index + 1) << level]
        assert len(part) == 1 << level, "asked for a subtree that is not full"
        return self.root(part)

    @staticmethod
    def k(n: int) -> int:
        k = 1
        while k * 2 < n:
            k *= 2
        return k


def entries_of(size: int) -> list[bytes]:
    return [f"evidence {n}".encode() for n in range(size)]


def test_the_published_roots_come_out() -> None:
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    frontier = Frontier()
    for entry, root in zip(ENTRIES, ROOTS, strict=True):
        frontier, _ = frontier.add(leaf_hash(entry))
        assert frontier.root.hex() == root


@pytest.mark.parametrize(
    ("number", "size", "proof"),
    [
        (0, 1, []),
        (
            0,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            3,
            ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
        ),
    ],
)
def test_the_published_inclusion_proofs_come_out(number: int, size: int, proof: list[str]) -> None:
    tree = Naive(ENTRIES)
    assert [step.hex() for step in inclusion(number, size, tree.subtree)] == proof
    steps = [bytes.fromhex(step) for step in proof]
    root = bytes.fromhex(ROOTS[size - 1])
    assert is_included(leaf_hash(ENTRIES[number]), number, size, steps, root)


@pytest.mark.parametrize(
    ("old", "new", "proof"),
    [
        (1, 1, []),
        (
            1,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
    ],
)
def test_the_published_consistency_proofs_come_out(old: int, new: int, proof: list[str]) -> None:
    tree = Naive(ENTRIES)
    assert [step.hex() for step in consistency(old, new, tree.subtree)] == proof
    steps = [bytes.fromhex(step) for step in proof]
    assert is_consistent(old, new, steps, bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[new - 1]))


@settings(max_examples=120, deadline=None)
@given(size=st.integers(1, 130), data=st.data())
def test_proofs_and_roots_are_those_of_the_text(size: int, data: st.DataObject) -> None:
    entries = entries_of(size)
    naive = Naive(entries)
    old, number = data.draw(st.integers(0, size)), data.draw(st.integers(0, size - 1))
    root = naive.root()
    leaves = [leaf_hash(entry) for entry in entries]

    frontier, _ = Frontier().add_all(leaves)
    path = inclusion(number, size, naive.subtree)
    proof = consistency(old, size, naive.subtree)

    assert frontier.root == root_of(size, naive.subtree) == root
    assert list(path) == naive.path(number, entries)
    assert list(proof) == (naive.proof(old, entries) if old else [])
    assert is_included(leaves[number], number, size, path, root)
    assert is_consistent(old, size, proof, naive.root(entries[:old]), root)


@settings(max_examples=120, deadline=None)
@given(size=st.integers(2, 70), data=st.data())
def test_no_proof_proves_anything_else(size: int, data: st.DataObject) -> None:
    """Another place, another leaf, another size, a step more, a step less, a bit in any hash."""
    entries = entries_of(size)
    naive = Naive(entries)
    leaves = [leaf_hash(entry) for entry in entries]
    number, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    root, path = naive.root(), list(inclusion(number, size, naive.subtree))
    if other != number:
        assert not is_included(leaves[other], number, size, path, root)
        assert not is_included(leaves[number], other, size, path, root)
    assert not is_included(leaves[number], number, size, [*path, EMPTY], root)
    assert not is_included(leaves[number], number, size, path[:-1], root)
    assert not is_included(leaves[number], number, size, path, naive.root(entries[:-1]))
    assert not is_included(leaves[number], size, size, path, root)
    at = data.draw(st.integers(0, len(path) - 1))
    bent = [*path[:at], bytes([path[at][0] ^ 1]) + path[at][1:], *path[at + 1 :]]
    assert not is_included(leaves[number], number, size, bent, root)

    old = data.draw(st.integers(1, size - 1))
    proof, before = list(consistency(old, size, naive.subtree)), naive.root(entries[:old])
    forged = naive.root([b"another past", *entries[1:old]])
    assert not is_consistent(old, size, proof, forged, root)
    assert not is_consistent(old, size, proof, before, naive.root([*entries[:-1], b"another end"]))
    assert not is_consistent(old, size, [*proof, EMPTY], before, root)
    assert not is_consistent(old, size, proof[:-1], before, root)
    assert not is_consistent(size, old, proof, root, before)


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(0, 40), max_size=6))
def test_growing_in_any_steps_gives_the_same_tree_and_every_full_subtree_once(sizes: list[int]) -> None:
    entries = entries_of(sum(sizes))
    naive, frontier, made = Naive(entries), Frontier(), []
    left = iter(entries)
    for size in sizes:
        frontier, new = frontier.add_all(leaf_hash(next(left)) for _ in range(size))
        made += new
    assert frontier.size == len(entries)
    assert frontier.root == naive.root()
    assert len({(level, index) for level, index, _ in made}) == len(made)
    assert all(naive.subtree(level, index) == value for level, index, value in made)
    full = sum(len(entries) >> level for level in range(1, 12))
    assert len(made) == full
