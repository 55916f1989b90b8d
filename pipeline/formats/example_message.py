"""tf.Example as a class of protobuf's, without TensorFlow, which takes 2 s to load.

Source: tensorflow/core/example/example.proto and feature.proto. The messages are in a
pool of their own, so that TensorFlow's, in the same process, are others.
"""

from typing import Any, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "maskbeam"
Field: TypeAlias = descriptor_pb2.FieldDescriptorProto


def _field(name: str, number: int, kind: int, **more: Any) -> Field:
    label = more.pop("label", Field.LABEL_OPTIONAL)
    return Field(name=name, number=number, type=kind, label=label, **more)


def _list(name: str, kind: int) -> descriptor_pb2.DescriptorProto:
    """Makes the message of a list of values, which are packed if they are numbers."""
    value = _field("value", 1, kind, label=Field.LABEL_REPEATED)
    return descriptor_pb2.DescriptorProto(name=name, field=[value])


def _one_of_lists() -> descriptor_pb2.DescriptorProto:
    names = ("BytesList", "FloatList", "Int64List")
    return descriptor_pb2.DescriptorProto(
        name="Feature",
        oneof_decl=[descriptor_pb2.OneofDescriptorProto(name="kind")],
        field=[
            _field(
                name.replace("List", "_list").lower(),
                number,
                Field.TYPE_MESSAGE,
                type_name=f".{_PACKAGE}.{name}",
                oneof_index=0,
            )
            for number, name in enumerate(names, start=1)
        ],
    )


def _map_of_features() -> descriptor_pb2.DescriptorProto:
    entry = descriptor_pb2.DescriptorProto(
        name="FeatureEntry",
        field=[
            _field("key", 1, Field.TYPE_STRING),
            _field("value", 2, Field.TYPE_MESSAGE, type_name=f".{_PACKAGE}.Feature"),
        ],
        options=descriptor_pb2.MessageOptions(map_entry=True),
    )
    feature = _field(
        "feature",
        1,
        Field.TYPE_MESSAGE,
        label=Field.LABEL_REPEATED,
        type_name=f".{_PACKAGE}.Features.FeatureEntry",
    )
    return descriptor_pb2.DescriptorProto(
        name="Features", field=[feature], nested_type=[entry]
    )


def _example() -> descriptor_pb2.DescriptorProto:
    features = _field(
        "features", 1, Field.TYPE_MESSAGE, type_name=f".{_PACKAGE}.Features"
    )
    return descriptor_pb2.DescriptorProto(name="Example", field=[features])


def _make_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{_PACKAGE}/example.proto",
        package=_PACKAGE,
        syntax="proto3",
        message_type=[
            _list("BytesList", Field.TYPE_BYTES),
            _list("FloatList", Field.TYPE_FLOAT),
            _list("Int64List", Field.TYPE_INT64),
            _one_of_lists(),
            _map_of_features(),
            _example(),
        ],
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName(f"{_PACKAGE}.Example")
    return message_factory.GetMessageClass(found)


Example = _make_class()
