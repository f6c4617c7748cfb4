"""Written by tools/protos from onnx.proto; do not edit."""
from typing import Any as _Any

class Message:
    def __init__(self, **fields: _Any) -> None: ...
    def __getattr__(self, name: str) -> _Any: ...
    @classmethod
    def FromString(cls, data: bytes) -> _Any: ...

class AttributeProto(Message):
    UNDEFINED: int
    FLOAT: int
    INT: int
    STRING: int
    TENSOR: int
    FLOATS: int
    INTS: int
    STRINGS: int
    name: _Any
    f: _Any
    i: _Any
    s: _Any
    t: _Any
    floats: _Any
    ints: _Any
    strings: _Any
    doc_string: _Any
    type: _Any

class ValueInfoProto(Message):
    name: _Any
    type: _Any
    doc_string: _Any

class NodeProto(Message):
    input: _Any
    output: _Any
    name: _Any
    op_type: _Any
    attribute: _Any
    doc_string: _Any
    domain: _Any

class GraphProto(Message):
    node: _Any
    name: _Any
    initializer: _Any
    doc_string: _Any
    input: _Any
    output: _Any
    value_info: _Any

class TensorProto(Message):
    UNDEFINED: int
    FLOAT: int
    UINT8: int
    INT8: int
    UINT16: int
    INT16: int
    INT32: int
    INT64: int
    STRING: int
    BOOL: int
    FLOAT16: int
    DOUBLE: int
    UINT32: int
    UINT64: int
    COMPLEX64: int
    COMPLEX128: int
    BFLOAT16: int
    dims: _Any
    data_type: _Any
    float_data: _Any
    int32_data: _Any
    string_data: _Any
    int64_data: _Any
    name: _Any
    raw_data: _Any
    double_data: _Any
    uint64_data: _Any
    doc_string: _Any

class TensorShapeProto(Message):
    class Dimension(Message):
        dim_value: _Any
        dim_param: _Any
    dim: _Any

class TypeProto(Message):
    class Tensor(Message):
        elem_type: _Any
        shape: _Any
    tensor_type: _Any

class OperatorSetIdProto(Message):
    domain: _Any
    version: _Any

class StringStringEntryProto(Message):
    key: _Any
    value: _Any

class ModelProto(Message):
    ir_version: _Any
    producer_name: _Any
    producer_version: _Any
    domain: _Any
    model_version: _Any
    doc_string: _Any
    graph: _Any
    opset_import: _Any
    metadata_props: _Any
