"""What the networks consist of: numbers that the programs in tf.nn and in torch share."""


class Network:
    """A network's input and how it is trained.

    Attributes
    ----------
    side, channels, classes : int       of the images and labels
    optimizer : "adam" or "momentum"
    parameters : int                    trainable ones at full width
    """

    def __init__(self, side, channels, classes, optimizer, parameters):
        self.side, self.channels, self.classes = side, channels, classes
        self.optimizer, self.parameters = optimizer, parameters


NETWORKS = {
    "lenet": Network(28, 1, 10, "adam", 3_274_634),
    "resnet50": Network(224, 3, 1000, "momentum", 25_557_032),
    "vgg16": Network(224, 3, 1000, "momentum", 138_357_544),
    "inception3": Network(299, 3, 1000, "momentum", 23_817_352),    # batch norm without scale, no auxiliary head
    "mobilenet": Network(224, 3, 1000, "momentum", 4_231_976),
    "stack": Network(28, 64, 10, "momentum", None),                 # by depth
}

EPSILON, DECAY = 1e-3, 0.99          # of batch norm, in all networks

RESNET50 = [(64, 3), (128, 4), (256, 6), (512, 3)]                          # filters, blocks of a stage
VGG16 = [(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]                   # filters, convolutions of a stage
MOBILENET = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),     # filters, stride of a separable layer
             *[(512, 1)] * 5, (1024, 2), (1024, 1)]


# Inception-v3 in slim's form: a layer is (filters, (rows, columns), stride, padding), POOL an average pooling 3x3,
# REDUCE a max pooling 3x3 with stride 2, a list of chains is a fork whose ends are concatenated.
POOL, REDUCE = "pool", "reduce"


def _conv(filters, rows, columns=None, stride=1, padding="SAME"):
    return filters, (rows, columns or rows), stride, padding


def _mixed35(pooled):
    return [[_conv(64, 1)], [_conv(48, 1), _conv(64, 5)], [_conv(64, 1), _conv(96, 3), _conv(96, 3)],
            [POOL, _conv(pooled, 1)]]


def _mixed17(inner):
    return [[_conv(192, 1)], [_conv(inner, 1), _conv(inner, 1, 7), _conv(192, 7, 1)],
            [_conv(inner, 1), _conv(inner, 7, 1), _conv(inner, 1, 7), _conv(inner, 7, 1), _conv(192, 1, 7)],
            [POOL, _conv(192, 1)]]


def _mixed8():
    def cross():
        return [[_conv(384, 1, 3)], [_conv(384, 3, 1)]]
    return [[_conv(320, 1)], [_conv(384, 1), cross()], [_conv(448, 1), _conv(384, 3), cross()],
            [POOL, _conv(192, 1)]]


def _halving(filters, rows=3, columns=None):
    return _conv(filters, rows, columns, 2, "VALID")


INCEPTION3 = [
    _halving(32, 3), _conv(32, 3, padding="VALID"), _conv(64, 3), REDUCE,
    _conv(80, 1), _conv(192, 3, padding="VALID"), REDUCE,
    _mixed35(32), _mixed35(64), _mixed35(64),
    [[_halving(384)], [_conv(64, 1), _conv(96, 3), _halving(96)], [REDUCE]],
    _mixed17(128), _mixed17(160), _mixed17(160), _mixed17(192),
    [[_conv(192, 1), _halving(320)], [_conv(192, 1), _conv(192, 1, 7), _conv(192, 7, 1), _halving(192)], [REDUCE]],
    _mixed8(), _mixed8(),
]
