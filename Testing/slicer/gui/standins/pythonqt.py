# SPDX-License-Identifier: Apache-2.0
"""Stands for the module ``qt``: Qt as PythonQt shows it, on PySide6.

As in Slicer, a Qt property is an attribute (``button.enabled``, and ``button.text()`` fails),
setters stay methods (``setText``), and ``connect`` takes a signature (``"clicked(bool)"``).
A signature that does not exist raises here, where PythonQt only answers False.

It cannot prove: PythonQt's conversions and ownership, its overloads, its threads, Slicer's Qt
version (5.15 or 6), or anything that PySide6 lets pass and PythonQt does not.
"""

from __future__ import annotations

import contextlib
import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

_read_property = QtCore.QObject.property
_write_property = QtCore.QObject.setProperty
_get_attribute = QtCore.QObject.__getattribute__

# C++ asks a widget made in Python for these by calling its attribute, so they stay methods.
_VIRTUAL = {"sizeHint", "minimumSizeHint"}

# Signals of stand-in widgets whose argument types Python cannot declare, by class.
_DECLARED: dict[type, set[str]] = {}


def module() -> types.ModuleType:
    """Return the module ``qt``."""
    qt = types.ModuleType("qt")
    for source in (QtCore, QtGui, QtWidgets):
        for name in dir(source):
            if name.startswith("Q"):
                setattr(qt, name, getattr(source, name))
    return qt


def make_like_pythonqt(kind: type, signals: tuple[str, ...] = ()) -> type:
    """Give a widget class attributes for its properties; may decorate a class.

    Parameters
    ----------
    kind : type
        A QObject class.
    signals : tuple of str
        Signatures as in Slicer, such as ``currentNodeChanged(vtkMRMLNode*)``.
    """
    for name, writable in _own_properties(kind):
        # A property declared in Python is an attribute already.
        if name not in _VIRTUAL and not isinstance(vars(kind).get(name), QtCore.Property):
            setattr(kind, name, _attribute(name, writable))
    _DECLARED[kind] = set(signals)
    return kind


def value_of(thing: QtCore.QObject, name: str) -> Any:
    """Return a property as C++ code would; for use inside stand-ins."""
    return _read_property(thing, name)


def _own_properties(kind: type) -> Iterator[tuple[str, bool]]:
    meta = kind.staticMetaObject
    for number in range(meta.propertyOffset(), meta.propertyCount()):
        yield meta.property(number).name(), meta.property(number).isWritable()


def _attribute(name: str, writable: bool) -> property:
    def get(self: QtCore.QObject) -> Any:
        return _read_property(self, name)

    def put(self: QtCore.QObject, value: Any) -> None:
        if not _write_property(self, name, value):
            raise ValueError(f"{name} cannot be {value!r}")

    return property(get, put if writable else None)


def _connect(self: QtCore.QObject, signature: str, slot: Callable[..., Any]) -> bool:
    name, _, rest = signature.partition("(")
    declared = any(signature in _DECLARED.get(kind, ()) for kind in type(self).__mro__)
    normalized = bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()
    if not declared and self.metaObject().indexOfSignal(normalized) < 0:
        raise AttributeError(f"{type(self).__name__} has no signal {signature}")
    sent = len([part for part in rest.rstrip(")").split(",") if part])
    count = _arguments_taken(slot, sent)
    signal = getattr(self, name)
    overloads = rest.rstrip(")")
    if not declared and overloads in ("int", "bool", "QString"):
        kind = {"int": int, "bool": bool, "QString": str}[overloads]
        with contextlib.suppress(IndexError, KeyError):
            signal = signal[kind]
    signal.connect(lambda *values: slot(*values[:count]))
    return True


def _arguments_taken(slot: Callable[..., Any], sent: int) -> int:
    """Return how many arguments PythonQt passes: as many as the slot takes."""
    parameters = inspect.signature(slot).parameters.values()
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return sent
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return min(sent, sum(parameter.kind in positional for parameter in parameters))


def _attribute_of(self: QtCore.QObject, name: str) -> Any:
    # PySide6 looks ``connect`` up by itself: it cannot be replaced on the class.
    if name == "connect":
        return types.MethodType(_connect, self)
    return _get_attribute(self, name)


def _install() -> None:
    for source in (QtCore, QtGui, QtWidgets):
        for name in dir(source):
            kind = getattr(source, name)
            if isinstance(kind, type) and issubclass(kind, QtCore.QObject):
                make_like_pythonqt(kind)
    QtCore.QObject.__getattribute__ = _attribute_of


_install()
