#!/usr/bin/env python3
"""Usage: tests/fuzz/make_inputs.py [FOLDER]
Writes the first inputs of the fuzz targets into FOLDER/TARGET/ (default: inputs/ beside this file):
small files of every form that the readers accept. Old findings lie there too and stay."""

import gzip
import io
import os
import pickle
import struct
import sys
import tarfile
import zipfile

import numpy as np

FOLDER = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "inputs")


def put(target, name, data):
    os.makedirs(os.path.join(FOLDER, target), exist_ok=True)
    with open(os.path.join(FOLDER, target, name), "wb") as file:
        file.write(data)


def idx():
    images = struct.pack(">4I", 2051, 1, 28, 28) + bytes(784)
    labels = struct.pack(">2I", 2049, 3) + bytes([5, 0, 9])
    for name, flag, data in ("images", 0, images), ("labels", 2, labels):
        put("idx", name, bytes([flag]) + data)
        put("idx", name + "-gz", bytes([flag | 1]) + gzip.compress(data, mtime=0))
    put("idx", "labels-two-members",
        bytes([3]) + gzip.compress(labels[:5], mtime=0) + gzip.compress(labels[5:], mtime=0))


def cifar():
    pixels = np.zeros((1, 3072), np.uint8)
    put("cifar_binary", "cifar10", b"\0\x09" + bytes(3072))
    put("cifar_binary", "cifar100", b"\1\x13\x63" + bytes(3072))
    put("cifar_pickle", "python2", b"\0" + python2(pixels.tobytes()))
    for protocol in 3, 4, 5:
        batch = {"batch_label": "x", "labels": [3], "data": pixels, "filenames": ["a.png"]}
        put("cifar_pickle", f"protocol{protocol}", b"\0" + pickle.dumps(batch, protocol))
    batch = {"fine_labels": [99], "coarse_labels": [19], "data": pixels, "filenames": ["a.png"]}
    put("cifar_pickle", "cifar100", b"\1" + pickle.dumps(batch, 4))


def python2(pixels):
    """A batch as Python 2's cPickle wrote it, the form of the official files."""
    return (b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x01xq\x03U\x06labelsq\x04]q\x05K\x06a"
            b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08"
            b"K\x00\x85U\x01b\x87Rq\x09(K\x01K\x01M\x00\x0c\x86cnumpy\ndtype\nq\x0aU\x02u1"
            b"K\x00K\x01\x87Rq\x0b(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
            + struct.pack("<I", len(pixels)) + pixels +
            b"tbU\x09filenamesq\x0c]q\x0dU\x05a.pngq\x0eau.")


def tar_of(kind, form):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:" + kind, format=form) as tar:
        for name, data in ("dir/" + "n" * (90 if form == tarfile.USTAR_FORMAT else 120), b"x" * 700), ("b", b""), ("c", b"y"):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "c"
        tar.addfile(link)
    return out.getvalue()


def archives():
    for name, form in (("ustar", tarfile.USTAR_FORMAT), ("gnu", tarfile.GNU_FORMAT),
                       ("pax", tarfile.PAX_FORMAT)):
        put("tar", name, tar_of("", form)[:6144])
    for kind in "xz", "bz2":
        put("tar", kind, tar_of(kind, tarfile.GNU_FORMAT))
    put("tar", "gz", gzip.compress(tar_of("", tarfile.GNU_FORMAT), mtime=0))
    for name, method in ("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", method) as archive:
            for member, data in ("dir/a", b"x" * 300), ("b", b""):
                archive.writestr(zipfile.ZipInfo(member), data, method)
        put("zip", name, out.getvalue())


def remembered_hashes():
    line = "12 " + "a" * 64 + " " + "b" * 32 + " - - name\n"
    put("remembered_hashes", "one", ("bitwright hashes 1\nkey\n" + line).encode())


def jpeg():
    from PIL import Image
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    smooth = Image.fromarray(noise[:8, :8]).resize((64, 64))
    for name, image, options in (
            ("color", smooth, {}), ("grey", smooth.convert("L"), {}),
            ("progressive", smooth, {"progressive": True}), ("cmyk", smooth.convert("CMYK"), {}),
            ("small", smooth.resize((16, 16)), {}), ("full", smooth, {"subsampling": 0})):
        out = io.BytesIO()
        image.save(out, "JPEG", quality=60, **options)
        put("jpeg", name, out.getvalue())


def tinyimagenet_lists():
    put("tinyimagenet_lists", "two", b"n02\nn01\n\0val_1.JPEG\tn01\t0\nval_0.JPEG\tn02\t0\n\0"
        b"n01\tegg, ovum\n\0train/n01/images/n01_5.JPEG\ntrain/n02/images/n02_1.JPEG\n"
        b"val/images/val_0.JPEG\nval/images/val_1.JPEG\n")


def image_cache():
    header = b"bitwright images" + struct.pack("<IiQQQQ", 1, 3, 2, 2, 1, 3)
    file = header + bytes(64) + b"c" * 64 + bytes(8) + b"pixels012345" + struct.pack("<2i", 2, 0)
    put("image_cache", "two", b"\1" + file + bytes(4))


idx()
cifar()
archives()
remembered_hashes()
jpeg()
tinyimagenet_lists()
image_cache()
