"""Every op of bitwright/autograd/ops.h beside its counterpart in PyTorch, and random calls of it.

  @op("leaky_relu")
  def leaky_relu(draw):
      slope = draw.number(0.01, 0.5)
      return Case({"slope": slope}, [draw.tensor()], lambda x: F.leaky_relu(x, slope))

draws one call: the parameters as tests/pytorch/ops.cpp reads them, the operands, and PyTorch's
formula, which gets the operands as float64 and returns one tensor or several, the differentiated
one first. A reference that changes `states` changes them in place. What is drawn in bf16 can be
represented in it."""

import dataclasses
import random
import typing

import numpy
import torch
import torch.nn.functional as F

OPS = {}  # name: (function that draws a case, types of operands)
# Ops that PyTorch cannot be compared with, and why.
WITHOUT_COUNTERPART = {"dropout": "its masks come from another generator; see dropout.cpp"}


@dataclasses.dataclass
class Operand:
    values: numpy.ndarray
    type: str = "f32"
    layout: str = "plain"
    gradient: bool = True


@dataclasses.dataclass
class Case:
    parameters: dict
    inputs: list
    reference: typing.Callable
    states: list = dataclasses.field(default_factory=list)
    op: str = ""
    type: str = ""


def op(name, types=("f32", "bf16")):
    def add(function):
        OPS[name] = (function, types)
        return function
    return add


def rounded(values, type):
    """The nearest numbers that the type can represent."""
    tensor = torch.as_tensor(numpy.asarray(values)).float()
    return (tensor.bfloat16().float() if type == "bf16" else tensor).numpy()


class Draw:
    """Random numbers, shapes and operands of one case. Operands have its type unless it is said."""

    def __init__(self, seed, name, number, type):
        self.random = random.Random(f"{seed} {name} {number} {type}")
        self.numpy = numpy.random.default_rng(self.random.getrandbits(64))
        self.type = type
        self.number_of_case = number
        self.coarse = self.random.random() < 0.3  # ties, zeros, values on the ends of intervals

    def integer(self, low, high):
        return self.random.randint(low, high)

    def choice(self, *values):
        return self.random.choice(values)

    def number(self, low, high):
        """Exact in float: JSON and both programs then mean the same."""
        return float(numpy.float32(self.random.uniform(low, high)))

    def shape(self, ranks=(1, 2, 3, 4), most=9):
        return [self.integer(1, most) for _ in range(self.choice(*ranks))]

    def values(self, shape, low=-2, high=2, type=None):
        values = self.numpy.uniform(low, high, shape)
        if self.coarse:
            values = numpy.clip(numpy.round(values * 2) / 2, low, high)
        return rounded(values, type or self.type)

    def plain(self, *shape, low=-2, high=2, type=None, gradient=True):
        type = type or self.type
        return Operand(self.values(shape, low, high, type), type, "plain", gradient)

    def image(self, *shape, low=-2, high=2):
        """[N, C, H, W], channels_last."""
        shape = shape or [self.integer(1, 4), self.integer(1, 20), self.integer(1, 9),
                          self.integer(1, 9)]
        return Operand(self.values(shape, low, high), self.type, "channels_last")

    def tensor(self, low=-2, high=2):
        """Of any shape and layout."""
        if self.choice(True, False):
            return self.image(low=low, high=high)
        return self.plain(*self.shape(), low=low, high=high)

    def distinct(self, shape):
        """Values of which no two are equal, in f32 and in bf16."""
        count = int(numpy.prod(shape))
        assert count <= 256  # multiples of 1/16 below 16 are exact in bf16
        order = self.numpy.permutation(256)[:count] / 16 - 8
        return Operand(order.reshape(shape).astype(numpy.float32), self.type)

    def indices(self, shape, below):
        return Operand(self.numpy.integers(0, below, shape).astype(numpy.float32), "i32",
                       gradient=False)

    def axes(self, rank):
        """Some of them, sometimes named from behind; none means all."""
        chosen = self.random.sample(range(rank), self.integer(0, rank))
        return [axis - self.choice(0, rank) for axis in chosen]


# Layers.

@op("linear")
def linear(draw):
    n, i, o = draw.integer(1, 40), draw.integer(1, 90), draw.integer(1, 60)
    inputs = [draw.plain(n, i), draw.plain(o, i, type="f32")]
    if draw.choice(True, False):
        inputs.append(draw.plain(o, type="f32"))
    return Case({}, inputs, F.linear)


# Shapes of real networks, where the fast algorithms of convolutions are: channels in and out,
# extent, kernel, stride, padding.
LAYERS = ((1, 20, 28, 5, 1, 0), (20, 50, 12, 5, 1, 0), (3, 16, 32, 3, 1, 1), (16, 16, 16, 3, 1, 1),
          (16, 32, 16, 3, 2, 1), (32, 32, 9, 3, 1, 1), (16, 32, 16, 1, 2, 0), (64, 64, 7, 3, 1, 1),
          (64, 96, 4, 3, 1, 1), (64, 64, 8, 3, 2, 1), (96, 64, 4, 1, 1, 0), (3, 8, 17, 7, 2, 3))


@op("conv2d")
def conv2d(draw):
    if draw.number_of_case % 2 == 0:
        c, o, h, k, stride, padding = LAYERS[draw.number_of_case // 2 % len(LAYERS)]
        n, w, kw, groups = draw.integer(1, 4), h, k, 1
    else:
        groups = draw.choice(1, 1, 2, 3, 8)
        c, o = groups * draw.integer(1, 6), groups * draw.integer(1, 6)
        if draw.choice(True, False):  # depthwise
            groups = c
            o = c * draw.integer(1, 2)
        n, k, kw = draw.integer(1, 5), draw.integer(1, 5), draw.integer(1, 5)
        stride, padding = draw.integer(1, 3), draw.integer(0, 2)
        h, w = k + draw.integer(0, 12), kw + draw.integer(0, 12)
    inputs = [draw.image(n, c, h, w), draw.plain(o, c // groups, k, kw, type="f32")]
    if draw.choice(True, False):
        inputs.append(draw.plain(o, type="f32"))
    return Case({"stride": stride, "padding": padding, "groups": groups}, inputs,
                lambda x, w, b=None: F.conv2d(x, w, b, stride, padding, 1, groups))


@op("batch_norm")
def batch_norm(draw):
    training, momentum = draw.choice(True, False), draw.number(0, 1)
    epsilon = draw.choice(1e-5, 1e-3)
    c = draw.integer(1, 40)
    low = draw.choice(-2, 3)  # a mean near and far from zero
    if draw.choice(True, False):
        x = draw.plain(draw.integer(2, 50), c, low=low, high=low + 4)
    else:
        x = draw.image(draw.integer(1, 5), c, draw.integer(2, 9), draw.integer(1, 9), low=low,
                       high=low + 4)
    affine = [draw.plain(c, type="f32") for _ in range(2)] if draw.choice(True, False) else []
    states = [draw.plain(c, type="f32"), draw.plain(c, low=0.2, high=2, type="f32")]

    def reference(x, scale=None, shift=None, states=()):
        return F.batch_norm(x, *states, scale, shift, training, momentum, epsilon)
    return Case({"training": training, "momentum": momentum, "epsilon": epsilon}, [x, *affine],
                reference, states)


def pooling(draw, reference):
    size = draw.integer(1, 4)
    stride, padding = draw.integer(1, 4), draw.integer(0, size // 2)
    x = draw.image(draw.integer(1, 4), draw.integer(1, 40), size + draw.integer(0, 9),
                   size + draw.integer(0, 9))
    return Case({"size": size, "stride": stride, "padding": padding}, [x],
                lambda x: reference(x, size, stride, padding))


@op("max_pool2d")
def max_pool2d(draw):
    return pooling(draw, F.max_pool2d)


@op("avg_pool2d")
def avg_pool2d(draw):
    return pooling(draw, F.avg_pool2d)


@op("global_avg_pool")
def global_avg_pool(draw):
    return Case({}, [draw.image()], lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1))


@op("shortcut_a")
def shortcut_a(draw):
    x, stride, added = draw.image(), draw.integer(1, 3), draw.integer(0, 9)
    below = added // 2
    return Case({"stride": stride, "out_channels": x.values.shape[1] + added}, [x],
                lambda x: F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, below, added - below)))


@op("cast", types=("bf16",))
def cast(draw):
    x = draw.tensor()
    if draw.choice(True, False):
        return Case({"type": "f32"}, [x], lambda x: x)
    x.values, x.type = draw.values(x.values.shape, type="f32"), "f32"
    return Case({"type": "bf16"}, [x], lambda x: x.bfloat16().double())


# Activations and other functions of one variable.

def function(name, reference, low=-2, high=2):
    op(name)(lambda draw: Case({}, [draw.tensor(low, high)], reference))


function("relu", F.relu)
function("relu6", F.relu6, -4, 9)
function("tanh", torch.tanh)
function("sigmoid", torch.sigmoid)
function("hard_tanh", F.hardtanh)
function("negate", torch.neg)
function("exp", torch.exp)
function("log", torch.log, 0.1, 4)
function("square", torch.square)
function("sqrt", torch.sqrt, 0.1, 4)
function("abs", torch.abs)


@op("leaky_relu")
def leaky_relu(draw):
    slope = draw.number(0.01, 0.5)
    return Case({"slope": slope}, [draw.tensor()], lambda x: F.leaky_relu(x, slope))


@op("scale")
def scale(draw):
    factor = draw.number(-3, 3)
    return Case({"factor": factor}, [draw.tensor()], lambda x: x * factor)


@op("shift")
def shift(draw):
    term = draw.number(-3, 3)
    return Case({"term": term}, [draw.tensor()], lambda x: x + term)


@op("pow")
def pow(draw):
    exponent = draw.choice(2.0, 3.0, -1.0, 0.5, draw.number(-2, 3))
    low = -2 if exponent in (2.0, 3.0) else 0.2
    return Case({"exponent": exponent}, [draw.tensor(low, 2)], lambda x: x.pow(exponent))


def bounds(draw):
    low = draw.number(-1.5, 0.5)
    return {"low": low, "high": low + draw.integer(1, 8) / 8}


@op("clamp")
def clamp(draw):
    b = bounds(draw)
    return Case(b, [draw.tensor()], lambda x: x.clamp(b["low"], b["high"]))


# Straight-through estimators: the value of one formula, the derivative of another.

def straight_through(value, surrogate):
    return surrogate + (value - surrogate).detach()


def sign(x):  # sign(0) = -1
    return torch.where(x > 0, 1.0, -1.0).to(x)


@op("sign_ste")
def sign_ste(draw):
    return Case({}, [draw.tensor()], lambda x: straight_through(sign(x), x.clamp(-1, 1)))


@op("sign_ste_identity")
def sign_ste_identity(draw):
    return Case({}, [draw.tensor()], lambda x: straight_through(sign(x), x))


@op("sign_ste_tanh")
def sign_ste_tanh(draw):
    k = draw.number(0.5, 4)
    return Case({"steepness": k}, [draw.tensor()],
                lambda x: straight_through(sign(x), torch.tanh(k * x)))


@op("round_ste")
def round_ste(draw):
    return Case({}, [draw.tensor(-5, 5)], lambda x: straight_through(x.round(), x))


@op("floor_ste")
def floor_ste(draw):
    return Case({}, [draw.tensor(-5, 5)], lambda x: straight_through(x.floor(), x))


@op("clamp_ste")
def clamp_ste(draw):
    b = bounds(draw)
    return Case(b, [draw.tensor()],
                lambda x: straight_through(x.clamp(b["low"], b["high"]), x))


# Shapes and places.

@op("flatten")
def flatten(draw):
    return Case({}, [draw.tensor()], lambda x: x.reshape(len(x), -1))


@op("reshape")
def reshape(draw):
    x = draw.tensor()
    extents = list(x.values.shape)
    at = draw.integer(0, len(extents))
    shape = draw.choice([x.values.size], extents[:at] + [1] + extents[at:], extents[::-1])
    return Case({"shape": shape}, [x], lambda x: x.reshape(shape))


@op("concat")
def concat(draw):
    first = draw.tensor()
    axis = draw.integer(0, first.values.ndim - 1)
    parts = [first]
    for _ in range(draw.integer(0, 3)):
        shape = list(first.values.shape)
        shape[axis] = draw.integer(1, 9)
        parts.append(Operand(draw.values(shape), first.type, first.layout))
    axis -= draw.choice(0, first.values.ndim)
    return Case({"axis": axis}, parts, lambda *parts: torch.cat(parts, axis))


@op("pad")
def pad(draw):
    x, value = draw.tensor(), draw.choice(0.0, 0.5)
    padding = [[draw.integer(0, 3), draw.integer(0, 3)] for _ in x.values.shape]
    of_torch = [amount for pair in reversed(padding) for amount in pair]
    return Case({"padding": padding, "value": value}, [x],
                lambda x: F.pad(x, of_torch, value=value))


@op("slice")
def slice_(draw):
    x = draw.tensor()
    axis = draw.integer(0, x.values.ndim - 1)
    begin = draw.integer(0, x.values.shape[axis] - 1)
    end, step = draw.integer(begin + 1, x.values.shape[axis]), draw.integer(1, 3)
    where = (slice(None),) * axis + (slice(begin, end, step),)
    return Case({"axis": axis, "begin": begin, "end": end, "step": step}, [x], lambda x: x[where])


@op("index_select")
def index_select(draw):
    x = draw.plain(*draw.shape())
    axis = draw.integer(0, x.values.ndim - 1)
    index = draw.indices([draw.integer(1, 12)], x.values.shape[axis])
    return Case({"axis": axis}, [x, index], lambda x, i: x.index_select(axis, i.long()))


@op("gather")
def gather(draw):
    x = draw.plain(*draw.shape())
    axis = draw.integer(0, x.values.ndim - 1)
    shape = list(x.values.shape)
    shape[axis] = draw.integer(1, 12)
    return Case({"axis": axis}, [x, draw.indices(shape, x.values.shape[axis])],
                lambda x, i: x.gather(axis, i.long()))


@op("sort")
def sort(draw):
    x = draw.plain(*draw.shape())
    axis = draw.integer(-x.values.ndim, x.values.ndim - 1)
    return Case({"axis": axis}, [x], lambda x: tuple(torch.sort(x, dim=axis, stable=True)))


# Losses.

@op("cross_entropy", types=("f32",))
def cross_entropy(draw):
    n, c = draw.integer(1, 60), draw.integer(2, 30)
    smoothing = draw.choice(0.0, draw.number(0.05, 0.5))
    return Case({"label_smoothing": smoothing}, [draw.plain(n, c, low=-5, high=5),
                                                 draw.indices([n], c)],
                lambda x, y: F.cross_entropy(x, y.long(), label_smoothing=smoothing))


@op("soft_cross_entropy", types=("f32",))
def soft_cross_entropy(draw):
    shape = draw.integer(1, 60), draw.integer(2, 30)
    return Case({}, [draw.plain(*shape, low=-5, high=5), draw.plain(*shape, low=0, high=1)],
                F.cross_entropy)


@op("mse", types=("f32",))
def mse(draw):
    shape = draw.shape()
    return Case({}, [draw.plain(*shape), draw.plain(*shape)], F.mse_loss)


@op("kl_divergence", types=("f32",))
def kl_divergence(draw):
    shape = draw.shape()
    return Case({}, [draw.plain(*shape, low=-6, high=-0.1), draw.plain(*shape, low=0.01, high=1)],
                lambda log_p, q: F.kl_div(log_p, q, reduction="batchmean"))


@op("softmax", types=("f32",))
def softmax(draw):
    return Case({}, [draw.plain(*draw.shape((2,), 30), low=-5, high=5)], lambda x: x.softmax(-1))


@op("log_softmax", types=("f32",))
def log_softmax(draw):
    return Case({}, [draw.plain(*draw.shape((2,), 30), low=-5, high=5)],
                lambda x: x.log_softmax(-1))


@op("softmax_planes", types=("f32",))
def softmax_planes(draw):
    k = draw.number(0.5, 5)
    return Case({"inverse_temperature": k}, [draw.plain(*draw.shape(), low=-0.5, high=0.5)],
                lambda x: (k * x).softmax(0))


# Arithmetic, with NumPy's broadcasting.

def arithmetic(name, reference, low=-2):
    def case(draw):
        a = draw.tensor(low, 2)
        if draw.choice(True, False):
            b = Operand(draw.values(a.values.shape, low, 2), a.type, a.layout)
        else:
            b = broadcast_operand(draw, a, low)
        pair = [a, b]
        if draw.choice(True, False):
            pair.reverse()
        per_channel = a.layout == "channels_last"
        return Case({}, pair, lambda a, b: reference(*(matched(a, b) if per_channel else (a, b))))
    op(name)(case)


def broadcast_operand(draw, a, low):
    """Extents of 1 or missing in front; beside an image also one value per channel. May be f32."""
    if a.layout == "channels_last":
        n, c = a.values.shape[:2]
        shape = draw.choice((c,), (1, c, 1, 1), (1,), (n, 1, 1, 1))
    else:
        shape = [extent if draw.choice(True, False) else 1 for extent in a.values.shape]
        shape = shape[draw.integer(0, len(shape) - 1):]
    # Where it is as large as the other operand, it is not broadcast and has the other's type.
    type = a.type if numpy.prod(shape) == a.values.size else draw.choice("f32", a.type)
    layout = a.layout if len(shape) == 4 else "plain"
    return Operand(draw.values(shape, low, 2, type), type, layout)


def matched(a, b):
    """A list [C] beside an image is one value per channel."""
    if a.dim() == 4 and b.dim() == 1:
        b = b.reshape(1, -1, 1, 1) if b.numel() == a.shape[1] else b
    elif b.dim() == 4 and a.dim() == 1:
        a, b = reversed(matched(b, a))
    return a, b


arithmetic("add", torch.add)
arithmetic("subtract", torch.sub)
arithmetic("multiply", torch.mul)
arithmetic("divide", torch.div, 0.5)
arithmetic("maximum", torch.maximum)
arithmetic("minimum", torch.minimum)


# Reductions.

def reduction(name, reference):
    def case(draw):
        x = draw.tensor()
        rank = x.values.ndim
        axes, keepdim = draw.axes(rank), draw.choice(True, False)
        over = axes or list(range(rank))
        return Case({"axes": axes, "keepdim": keepdim}, [x],
                    lambda x: reference(x, over, keepdim=keepdim))
    op(name)(case)


reduction("sum", torch.sum)
reduction("mean", torch.mean)
reduction("max", torch.amax)
reduction("min", torch.amin)
reduction("norm", lambda x, axes, keepdim: torch.linalg.vector_norm(x, 2, axes, keepdim))


@op("variance")
def variance(draw):
    x = draw.tensor()
    x.values = rounded(x.values + draw.choice(0, 8), x.type)
    axes, keepdim = draw.axes(x.values.ndim), draw.choice(True, False)
    over = axes or list(range(x.values.ndim))
    count = int(numpy.prod([x.values.shape[axis] for axis in over]))
    correction = draw.integer(0, 1) if count > 1 else 0
    return Case({"axes": axes, "keepdim": keepdim, "correction": correction}, [x],
                lambda x: ((x - x.mean(over, keepdim=True)) ** 2).sum(over, keepdim=keepdim)
                / (count - correction))


@op("quantile")
def quantile(draw):
    q, keepdim = draw.choice(0.0, 1.0, 0.5, draw.number(0, 1)), draw.choice(True, False)
    shape = draw.shape(ranks=(1, 2), most=12)
    axis = draw.choice(None, draw.integer(-len(shape), len(shape) - 1))

    def reference(x):
        y = torch.quantile(x, q, dim=axis, keepdim=keepdim and axis is not None)
        return y.reshape([1] * x.dim()) if keepdim and axis is None else y
    return Case({"q": q, "axis": axis, "keepdim": keepdim}, [draw.distinct(shape)], reference)
