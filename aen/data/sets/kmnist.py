"""KMNIST: handwritten Japanese characters, in the form of MNIST."""

from aen.data.sets.idx import mnist_like

SOURCES = {
    "kmnist": mnist_like(
        "kmnist",
        ["KMNIST/raw", "KMNIST", "kmnist"],
        mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        checksums=(
            "bdb82020997e1d708af4cf47b453dcf7",
            "e144d726b3acfaa3e44228e80efcd344",
            "5c965bf0a639b31b8f53240b1b52f4d7",
            "7320c461ea6c1c855c0b718fb2a4b134",
        ),
    )
}
