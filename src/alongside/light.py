"""What `typing` and `dataclasses` offer, as far as the engine uses it, without loading them.

Owns the decorators and bases below; the type checker is given the real ones. Must never offer more than is used, nor
behave differently from them in what it offers.

Why: a short job pays for what is loaded in its first milliseconds. `typing` and `dataclasses` bring `re`, `inspect` and
`ast` with them, 16 ms, and each dataclass is compiled anew, 0.5 ms; together that was more than half of the engine.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
    from typing import NamedTuple as NamedTuple
    from typing import Protocol as Protocol
    from typing import cast as cast
else:
    from _collections import _tuplegetter

    class Protocol:
        """A base that says nothing: whoever looks at types has looked before."""

    def cast(_, value):
        """The value."""
        return value

    # ------------------------------------------------------------------------------------------------- named tuples

    class _Fielded(tuple):
        """What every named tuple can do."""

        __slots__ = ()

        def __repr__(self):
            shown = (f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({', '.join(shown)})"

        def __getnewargs__(self):
            return tuple(self)

        def _replace(self, **changes):
            return type(self)(**(self._asdict() | changes))

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

    class _Named(type):
        """`class X(NamedTuple)` becomes a class of tuples, with the fields and methods of its body."""

        def __new__(cls, name, bases, body):
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = _annotated(body)
            defaults = {field: body[field] for field in fields if field in body}
            body |= {field: _tuplegetter(place, field) for place, field in enumerate(fields)}
            body |= {"__slots__": (), "_fields": fields, "_field_defaults": defaults, "__match_args__": fields}
            made = type(name, (_Fielded,), body)
            made.__new__ = _compiled_when_called(made, fields, defaults)
            return made

    def _compiled_when_called(made, fields, defaults):
        """Its `__new__`. Most are not needed in a run, and to compile one takes longer than the rest of its class."""

        def first(cls, *args, **kwargs):
            heads = "".join(f", {name}=defaults[{name!r}]" if name in defaults else f", {name}" for name in fields)
            code = f"lambda cls{heads}: new(cls, ({''.join(name + ', ' for name in fields)}))"
            made.__new__ = eval(code, {"defaults": defaults, "new": tuple.__new__, "__name__": made.__module__})
            return made.__new__(cls, *args, **kwargs)

        return first

    class NamedTuple(metaclass=_Named):
        """A tuple whose places have names."""

    # -------------------------------------------------------------------------------------------------- dataclasses

    def dataclass(*, slots, frozen=False):
        """A class of named fields; always with slots."""
        assert slots

        def make(cls):
            body = dict(vars(cls))
            fields = _annotated(body)
            defaults = {name: body.pop(name) for name in fields if name in body}
            body.pop("__dict__", None)
            body.pop("__weakref__", None)
            body.update(__slots__=fields, __match_args__=fields, __dataclass_fields__=_Fields(defaults))
            made = type(cls)(cls.__name__, cls.__bases__, body)
            made.__qualname__ = cls.__qualname__
            own = {"__init__": _initialiser(made, fields, defaults, frozen), "__eq__": _equal, "__repr__": _shown}
            if frozen:
                own |= {"__hash__": _hash, "__reduce__": _reduce, "__setattr__": _refuse, "__delattr__": _refuse}
            for name, function in own.items():
                if name not in body:
                    setattr(made, name, function)
            if "__hash__" not in {**own, **body}:
                made.__hash__ = None
            return made

        return make

    class field:  # noqa: N801  (as in dataclasses)
        """A field's default that is made anew each time."""

        def __init__(self, *, default_factory):
            self.factory = default_factory

    def replace(record, **changes):
        """The same, but for these fields."""
        return type(record)(**{name: getattr(record, name) for name in record.__match_args__} | changes)

    class _Fields:
        """What `dataclasses.asdict` and its kin ask a class for: made when they ask."""

        def __init__(self, defaults):
            self._defaults = defaults

        def __get__(self, record, cls):
            from dataclasses import make_dataclass

            fields = [self._standard(name) if name in self._defaults else name for name in cls.__match_args__]
            return make_dataclass(cls.__name__, fields).__dataclass_fields__

        def _standard(self, name):
            import dataclasses

            default = self._defaults[name]
            if isinstance(default, field):
                return name, "typing.Any", dataclasses.field(default_factory=default.factory)
            return name, "typing.Any", dataclasses.field(default=default)

    def _annotated(body):
        """The names with annotations; those of a module with `from __future__ import annotations` are there as text."""
        return tuple(body.get("__annotations__", ()))

    def _initialiser(cls, fields, defaults, frozen):
        known = {f"default_{name}": value for name, value in defaults.items()}
        heads, lines = ["self"], []
        for name in fields:
            value = name
            if isinstance(defaults.get(name), field):
                known[f"make_{name}"] = defaults[name].factory
                value = f"make_{name}() if {name} is default_{name} else {name}"
            heads.append(f"{name}=default_{name}" if name in defaults else name)
            if frozen:
                known[f"set_{name}"] = getattr(cls, name).__set__
            lines.append(f"set_{name}(self, {value})" if frozen else f"self.{name} = {value}")
        exec(f"def __init__({', '.join(heads)}):\n " + "\n ".join(lines or ["pass"]), known)
        return known["__init__"]

    def _values(record):
        return tuple(getattr(record, name) for name in record.__match_args__)

    def _equal(self, other):
        return _values(self) == _values(other) if other.__class__ is self.__class__ else NotImplemented

    def _hash(self):
        return hash(_values(self))

    def _reduce(self):
        return type(self), _values(self)

    def _shown(self):
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _refuse(self, name, *_):
        raise AttributeError(f"{type(self).__qualname__} is frozen: its {name} cannot be changed")
