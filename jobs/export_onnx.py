# SPDX-License-Identifier: Apache-2.0
"""Writes a PyTorch network as an ONNX file that assay reads; needs PyTorch and the package onnx.

    from export_onnx import export
    export(model, "nets/a.onnx")                  # of images 3x32x32
    export(model, "nets/a.onnx", weights=False)   # for sweeps, which draw their own weights: a small file

Exporters fold batch norms into convolutions, merge and rename parameters, and leave out what is not used, without a word.
This one calls them so that they do not, and checks the file: ValueError when a parameter or a batch norm that the network
uses is not in it. Returns the names of parameters that the network does not use, such as those of auxiliary heads.
"""
import contextlib
import copy
import io
import os
import warnings


def export(model, path, image=(3, 32, 32), weights=True, dynamo=None):
    """image: channels, height, width. dynamo: PyTorch's newer exporter, or not; None: where the older one fails."""
    import torch

    model = copy.deepcopy(model).cpu().float().eval()  # without dropout; assay evaluates batch norms by their batch anyway
    x = torch.zeros(2, *image)
    params = [name for name, _ in model.named_parameters()]
    used, norms = _used(model, x, torch)
    proto = _proto(model, x, weights, dynamo, torch)
    for node in proto.graph.node:
        del node.metadata_props[:]  # stack traces with paths of this machine
    have = {t.name for t in proto.graph.initializer} | {i.name for i in proto.graph.input}
    have |= {name for n in proto.graph.node if n.op_type == "Identity" for name in n.output}  # equal ones, merged
    lost = [name for name in params if name.rpartition(".")[0] in used and name not in have]
    kept = sum(n.op_type == "BatchNormalization" for n in proto.graph.node)
    if lost or kept < norms:
        raise ValueError(f"{path}: the exporter lost {len(lost)} parameters ({', '.join(lost[:3])}...) and kept {kept} of "
                         f"{norms} batch norms; nothing was written")
    with open(f"{path}.tmp", "wb") as f:
        f.write(proto.SerializeToString())
    os.replace(f"{path}.tmp", path)
    return [name for name in params if name not in have]


def _used(model, x, torch):
    """The names of the modules that a forward pass calls, and how many of them are batch norms."""
    used, hooks = set(), []
    for name, module in model.named_modules():
        hooks.append(module.register_forward_hook(lambda module, inputs, output, name=name: used.add(name)))
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    norm = torch.nn.modules.batchnorm._BatchNorm
    return used, sum(isinstance(module, norm) for name, module in model.named_modules() if name in used)


def _proto(model, x, weights, dynamo, torch):
    names = dict(input_names=["x"], output_names=["logits"])
    silence = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
        warnings.simplefilter("ignore")
        try:
            return (_newer if dynamo else _older)(model, x, weights, names, torch)
        except Exception as older:  # there is none any more, or it lacks an operator
            if dynamo is not None:
                raise
            try:
                return _newer(model, x, weights, names, torch)
            except Exception as newer:
                raise newer from older


def _older(model, x, weights, names, torch):
    import onnx

    file = io.BytesIO()
    # PRESERVE, or batch norms are folded; constant folding would transpose and rename weights.
    torch.onnx.export(model, (x,), file, dynamo=False, training=torch.onnx.TrainingMode.PRESERVE, opset_version=17,
                      do_constant_folding=False, export_params=weights,
                      dynamic_axes={"x": {0: "batch"}, "logits": {0: "batch"}}, **names)
    return onnx.load_from_string(file.getvalue())


def _newer(model, x, weights, names, torch):
    import onnx

    # optimize=True, the default, folds batch norms.
    proto = torch.onnx.export(model, (x,), dynamo=True, optimize=False, **names).model_proto
    params = {name for name, _ in model.named_parameters()}
    for t in [t for t in proto.graph.initializer if not weights and t.name in params]:
        proto.graph.input.append(onnx.helper.make_tensor_value_info(t.name, t.data_type, t.dims))
        proto.graph.initializer.remove(t)
    return proto
