"""The messages: the compiled forms in the package are those of the .proto files, and light to import."""
import ast
import importlib.resources
import re
import subprocess
import sys

import pytest

from thalweg_io import protos
from thalweg_io.onnx import protos as onnx_protos

_FILES = [(protos, "formats.proto", 250), (onnx_protos, "onnx/onnx.proto", 45)]
_TYPES = {1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 7: "fixed32", 8: "bool", 9: "string",
          12: "bytes", 13: "uint32"}


def source_fields(file="formats.proto"):
    """{(message, field): (number, type, whether repeated)} of a file, nested messages by their last name."""
    text = importlib.resources.files("thalweg_io").joinpath(file).read_text()
    text = re.sub(r"//[^\n]*", "", text)
    found, scopes = {}, []
    token = re.compile(r"\s*(?:(message|enum|oneof)\s+(\w+)\s*\{|(\})|(repeated\s+)?([\w.]+(?:<\s*\w+\s*,\s*\w+\s*>)?)"
                       r"\s+(\w+)\s*=\s*(\d+)\s*;|\w+\s*=\s*\d+\s*;|[^;{}]*;)", re.DOTALL)
    for match in token.finditer(text):
        kind, name, close, repeated, type_name, field, number = match.groups()
        if kind:
            scopes.append((kind, name))
        elif close:
            scopes.pop()
        elif field and scopes and scopes[-1][0] != "enum":
            message = next(n for k, n in reversed(scopes) if k == "message")
            found[message, field] = (int(number), type_name, bool(repeated))
    return found


@pytest.mark.parametrize("module, file, count", _FILES)
def test_the_compiled_form_is_that_of_the_source(module, file, count):
    expected = source_fields(file)
    assert len(expected) > count
    for (message, field), (number, type_name, repeated) in expected.items():
        descriptor = next(d for d in all_descriptors(module, file) if d.name == message and field in d.fields_by_name)
        found = descriptor.fields_by_name[field]
        is_map = type_name.startswith("map<")
        assert found.number == number
        assert is_repeated(found) == (repeated or is_map)
        if not is_map:
            target = found.message_type or found.enum_type
            assert (target.name if target else _TYPES[found.type]) == type_name.split(".")[-1]


def is_repeated(field):
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == 3


def all_descriptors(module, file):
    names = {message for message, _ in source_fields(file)}
    waiting = [getattr(module, name).DESCRIPTOR for name in names if has(name, module)]
    for descriptor in waiting:
        waiting.extend(descriptor.nested_types)
    return waiting


def has(name, module=protos):
    try:
        return bool(getattr(module, name))
    except AttributeError:
        return False


def test_an_unknown_message_is_named():
    with pytest.raises(AttributeError, match="no message 'Nonsense' in thalweg_io/formats.proto"):
        protos.Nonsense


def test_importing_needs_no_protobuf():
    code = ("import sys, thalweg_io, thalweg_io.protos\n"
            "import thalweg_io.checkpoints.bundle.reader, thalweg_io.checkpoints.bundle.writer\n"
            "found = [m for m in sys.modules if m.startswith('google.protobuf')]\n"
            "assert not found, found\n"
            "assert 'google.protobuf' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True)


def test_messages_of_tensorflow_have_no_unknown_fields(golden_or_none):
    paths = {"MetaGraphDef": ["v2/net.ckpt-3.meta", "control_flow/loop.ckpt-1.meta", "v1/net_old.ckpt-3.meta"],
             "GraphDef": ["frozen/frozen.pb"], "SavedModel": ["saved_model/saved_model.pb"]} if golden_or_none else {}
    for name, files in paths.items():
        for path in files:
            message = getattr(protos, name).FromString((golden_or_none / path).read_bytes())
            size = len(message.SerializeToString())
            message.DiscardUnknownFields()
            assert len(message.SerializeToString()) == size
            assert protos.parse_text(protos.text(message), type(message)()) == message


def test_the_stub_has_the_fields_of_the_messages():
    stub = ast.parse(importlib.resources.files("thalweg_io").joinpath("protos.pyi").read_text())
    classes = [node for node in stub.body if isinstance(node, ast.ClassDef) and node.name != "Message"]
    assert {node.name for node in classes} == {name for name in (m for m, _ in source_fields()) if has(name)}
    for node in classes:
        check_stub(node, getattr(protos, node.name).DESCRIPTOR)


def check_stub(node, descriptor):
    names = {item.target.id for item in node.body if isinstance(item, ast.AnnAssign)}
    assert names == set(descriptor.fields_by_name) | {v for e in descriptor.enum_types for v in e.values_by_name}
    for item in node.body:
        if isinstance(item, ast.ClassDef):
            check_stub(item, descriptor.nested_types_by_name[item.name])
