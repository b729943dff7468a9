# SPDX-License-Identifier: Apache-2.0
"""Writes ONNX files, so that tests need no library for it."""
import struct

FLOAT, INT64 = 1, 7


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(number, values):
    return b"".join(field(number, v) for v in values)


def tensor(name, dims, values=(), kind=FLOAT):
    return (fields(1, dims) + field(2, kind) + field(8, name) +
            field(9, struct.pack(f"<{len(values)}{'f' if kind == FLOAT else 'q'}", *values)))


def attribute(name, value):
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, 2)
    if isinstance(value, float):
        return field(1, name) + varint(2 << 3 | 5) + struct.pack("<f", value) + field(20, 1)
    if isinstance(value, str):
        return field(1, name) + field(4, value) + field(20, 3)
    if isinstance(value, bytes):
        return field(1, name) + field(5, value) + field(20, 4)
    return field(1, name) + fields(8, value) + field(20, 7)


def node(op, inputs, outputs, name="", **attributes):
    return (fields(1, inputs) + fields(2, outputs) + field(3, name) + field(4, op) +
            fields(5, [attribute(*a) for a in attributes.items()]))


def value(name, dims=()):
    shape = fields(1, [field(1, d) if isinstance(d, int) else field(2, d) for d in dims])
    return field(1, name) + field(2, field(1, field(1, FLOAT) + (field(2, shape) if dims else b"")))


def model(nodes, tensors, inputs, outputs, opset=17, signature=""):
    """signature: what PyTorch's newer exporter says of the model's parameters."""
    graph = fields(1, nodes) + field(2, "g") + fields(5, tensors) + fields(11, inputs) + fields(12, outputs)
    if signature:
        graph += field(16, field(1, "pkg.torch.export.ExportedProgram.graph_signature") + field(2, signature))
    return field(1, 8) + field(7, graph) + field(8, field(2, opset))


def small(weights=True, signature="", **conv):
    """Convolution, BN, ReLU, pooling and a linear layer of a 3x8x8 image; without weights as an exporter leaves them out."""
    nodes = [node("Conv", ["x", "c.weight"], ["1"], "conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1], **conv),
             node("BatchNormalization", ["1", "b.weight", "b.bias", "m", "v"], ["2"], "bn", epsilon=1e-5),
             node("Relu", ["2"], ["3"], "relu"), node("GlobalAveragePool", ["3"], ["4"], "pool"),
             node("Flatten", ["4"], ["5"], "flatten", axis=1),
             node("Gemm", ["5", "f.weight", "f.bias"], ["y"], "linear", transB=1)]
    values = {"c.weight": ([4, 3, 3, 3], [0.125 * (i % 7 - 3) for i in range(108)]),
              **{name: ([4], [1, 2, 3, 4]) for name in ("b.weight", "b.bias", "m", "v")},
              "f.weight": ([5, 4], [0.25 * i for i in range(20)]), "f.bias": ([5], [0] * 5)}
    tensors = [tensor(name, *v) for name, v in values.items()] if weights else []
    inputs = [] if weights else [value(name, dims) for name, (dims, _) in values.items()]
    return model(nodes, tensors, [value("x", ["batch", 3, 8, 8]), *inputs], [value("y", ["batch", 5])], signature=signature)


def headed(nodes, tensors=(), out="c", c=3, inputs=()):
    """Nodes that make `out`, of c channels, of a 3x8x8 image x, and a linear layer behind them."""
    head = [node("GlobalAveragePool", [out], ["p"], "pool"), node("Flatten", ["p"], ["f"], "flatten", axis=1),
            node("Gemm", ["f", "f.weight"], ["y"], "linear", transB=1)]
    return model([*nodes, *head], [*tensors, tensor("f.weight", [5, c], [0.5] * 5 * c)],
                 [value("x", ["batch", 3, 8, 8]), *inputs], [value("y", ["batch", 5])])


def constant(name, dims, values, kind=FLOAT):
    return node("Constant", [], [name], name, value=tensor("", dims, values, kind))


def chain(c, kernel, depth, image=8, classes=5, name="l", weight=0.5):
    """`depth` convolutions of c channels, each with BN and ReLU, of a 3xIxI image, and a linear layer."""
    nodes, tensors, x, c_in = [], [tensor("m", [c], [0] * c), tensor("v", [c], [1] * c)], "x", 3
    for i in range(depth):
        conv, bn = f"{name}{i}.conv.weight", f"{name}{i}.bn"
        nodes += [node("Conv", [x, conv], [f"c{i}"], f"conv{i}", kernel_shape=[kernel] * 2, pads=[kernel // 2] * 4),
                  node("BatchNormalization", [f"c{i}", bn + ".weight", bn + ".bias", "m", "v"], [f"b{i}"], f"bn{i}", epsilon=1e-5),
                  node("Relu", [f"b{i}"], [f"r{i}"], f"relu{i}")]
        tensors += [tensor(conv, [c, c_in, kernel, kernel], [weight] * (c * c_in * kernel * kernel)),
                    tensor(bn + ".weight", [c], [1] * c), tensor(bn + ".bias", [c], [0] * c)]
        x, c_in = f"r{i}", c
    nodes += [node("GlobalAveragePool", [x], ["p"], "pool"), node("Flatten", ["p"], ["f"], "flatten", axis=1),
              node("Gemm", ["f", "fc.weight", "fc.bias"], ["y"], "linear", transB=1)]
    tensors += [tensor("fc.weight", [classes, c], [weight] * (classes * c)), tensor("fc.bias", [classes], [0] * classes)]
    return model(nodes, tensors, [value("x", ["batch", 3, image, image])],
                 [value("y", ["batch", classes])])
