"""What an input reached: probes that are written into the readers' code when they are imported.

    probes = Probes(counted=("adapters.inspection",), guiding=("pyhanko.pdf_utils",))
    probes.install()                  # before anything of them is imported
    ...
    probes.clear(); judge(data); probes.news()

Strategy: the source becomes a syntax tree, into which ``__probe__[17] = 1`` is put before every statement
of a function and into every arm of a branch.  One store into a byte array per statement costs a tenth of
what ``sys.settrace`` costs, and needs nothing but the standard library.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

_ROOM = 1 << 18


@dataclass(slots=True, kw_only=True)
class Share:
    """The probes of one module: which lines and which arms of branches they stand for."""

    start: int
    stop: int = 0
    lines: dict[int, int] = field(default_factory=dict)
    arms: dict[int, int] = field(default_factory=dict)


class Probes(MetaPathFinder):
    """The probes of a process.

    Modules under *counted* get one in every line, and the report counts them; those under *guiding* only
    at the beginning of every function and arm: they tell the engine that an input is new.
    """

    def __init__(self, *, counted: Sequence[str], guiding: Sequence[str] = ()) -> None:
        self.hits = bytearray(_ROOM)
        self.shares: dict[str, Share] = {}
        self._counted = tuple(counted)
        self._guiding = tuple(guiding)
        self._next = 0
        self._seen = 0

    def install(self) -> None:
        """Put probes into every module that is imported from now on."""
        sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module with probes in it; ``None`` for modules that are none of ours."""
        is_counted = fullname.startswith(self._counted)
        if not is_counted and not fullname.startswith(self._guiding or ("\0",)):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None or not isinstance(spec.loader, SourceFileLoader):
            return spec
        spec.loader = _Loader(fullname, spec.origin, self, is_counted)
        return spec

    def clear(self) -> None:
        """Forget what the last input reached."""
        self.hits[: self._next] = bytes(self._next)

    def news(self) -> bool:
        """Whether something was reached since ``clear`` that had not been reached before; remembers it."""
        now = int.from_bytes(memoryview(self.hits)[: self._next], "little")
        if not now & ~self._seen:
            return False
        self._seen |= now
        return True

    def reached(self) -> dict[str, tuple[list[int], list[int]]]:
        """By counted module: the lines and arms (as probe numbers from its first) that were ever reached."""
        seen = self._seen.to_bytes(self._next, "little")
        return {
            name: (
                [probe - share.start for probe in share.lines if seen[probe]],
                [probe - share.start for probe in share.arms if seen[probe]],
            )
            for name, share in self.shares.items()
        }

    def totals(self) -> dict[str, tuple[int, int]]:
        """By counted module: how many lines and arms there are."""
        return {name: (len(share.lines), len(share.arms)) for name, share in self.shares.items()}

    def unreached(self, module: str) -> list[int]:
        """The lines of *module* that nothing has reached."""
        seen = self._seen.to_bytes(self._next, "little")
        return sorted({line for probe, line in self.shares[module].lines.items() if not seen[probe]})

    def instrument(self, name: str, source: bytes, path: str, *, is_counted: bool) -> CodeType:
        """The code of *source* with probes in it."""
        share = Share(start=self._next)
        writer = _Writer(share, self._next, every_line=is_counted)
        tree = ast.fix_missing_locations(writer.visit(ast.parse(source, path)))
        self._next = share.stop = writer.next
        if self._next > _ROOM:
            raise MemoryError("more probes than there is room for")
        if is_counted:
            self.shares[name] = share
        code = compile(tree, path, "exec", dont_inherit=True)
        assert isinstance(code, CodeType)
        return code


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, probes: Probes, is_counted: bool) -> None:
        super().__init__(name, path)
        self._probes = probes
        self._is_counted = is_counted

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self._probes.instrument(fullname, self.get_data(path), path, is_counted=self._is_counted)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__["__probe__"] = self._probes.hits
        super().exec_module(module)


class _Writer(ast.NodeTransformer):
    """Puts probes into the bodies of functions."""

    def __init__(self, share: Share, first: int, *, every_line: bool) -> None:
        self.next = first
        self._share = share
        self._every_line = every_line
        self._depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self._depth += 1
        node.body = self._block(node.body, is_arm=False)
        self._depth -= 1
        return node

    def _block(self, body: list[ast.stmt], *, is_arm: bool) -> list[ast.stmt]:
        written: list[ast.stmt] = []
        for place, statement in enumerate(body):
            is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if not is_text and (self._every_line or place == 0):
                written.append(self._probe(statement, is_line=True, is_arm=is_arm and place == 0))
            written.append(self._inside(statement))
        return written

    def _inside(self, statement: ast.stmt) -> ast.stmt:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                return self._function(statement)  # type: ignore[return-value]  # it is the same statement
            case ast.ClassDef():
                return self.generic_visit(statement)  # type: ignore[return-value]  # likewise
            case ast.If():
                statement.body = self._block(statement.body, is_arm=True)
                if statement.orelse:
                    statement.orelse = self._block(statement.orelse, is_arm=True)
                else:
                    statement.orelse = [self._probe(statement, is_line=False, is_arm=True)]
            case ast.For() | ast.AsyncFor() | ast.While():
                statement.body = self._block(statement.body, is_arm=True)
                statement.orelse = self._block(statement.orelse, is_arm=True)
            case ast.With() | ast.AsyncWith():
                statement.body = self._block(statement.body, is_arm=False)
            case ast.Try() | ast.TryStar():
                statement.body = self._block(statement.body, is_arm=False)
                for handler in statement.handlers:
                    handler.body = self._block(handler.body, is_arm=True)
                statement.orelse = self._block(statement.orelse, is_arm=False)
                statement.finalbody = self._block(statement.finalbody, is_arm=False)
            case ast.Match():
                for case in statement.cases:
                    case.body = self._block(case.body, is_arm=True)
            case _:
                pass
        return statement

    def _probe(self, at: ast.stmt, *, is_line: bool, is_arm: bool) -> ast.stmt:
        number, self.next = self.next, self.next + 1
        if is_line:
            self._share.lines[number] = at.lineno
        if is_arm:
            self._share.arms[number] = at.lineno
        store = ast.Subscript(
            value=ast.Name(id="__probe__", ctx=ast.Load()), slice=ast.Constant(number), ctx=ast.Store()
        )
        return ast.copy_location(ast.Assign(targets=[store], value=ast.Constant(1)), at)
