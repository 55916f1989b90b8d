"""The serving model behind HTTP, in a process without Python."""

import base64
import contextlib
import http.client
import io
import json
import pathlib
import queue
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests import data_generation as data
from tests import own_functions, reading

pytestmark = [pytest.mark.engines, pytest.mark.timeout(900)]
_SCRIPTS = pathlib.Path(__file__).parent.parent / "launch_scripts"


@contextlib.contextmanager
def model_server(directory):
    """Runs the model server; gives its URL."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed, and the model server needs it")
    script = _SCRIPTS / "run_model_server.sh"
    process = subprocess.Popen(
        ["bash", script, directory, "street", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: queue.Queue[str] = queue.Queue()

    def listen():
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    threading.Thread(target=listen, daemon=True).start()
    try:
        assert process.stderr is not None
        while "http://" not in (line := lines.get(timeout=600)):
            assert line, process.stderr.read()
        yield line.split()[-1]
    finally:
        process.kill()
        process.wait()


def _predict(url, signature, instances):
    body = {"signature_name": signature, "instances": instances}
    with urllib.request.urlopen(f"{url}:predict", json.dumps(body).encode()) as reply:
        return json.load(reply)["predictions"]


def _status_of_large(url, **headers):
    """What a request of 65 MiB is answered, or one that only says that it is."""
    place = urllib.parse.urlsplit(f"{url}:predict")
    assert place.hostname is not None
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
    try:
        connection.putrequest("POST", place.path)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        if "Transfer_Encoding" in headers:
            with contextlib.suppress(ConnectionError):  # it reads no further
                for _ in range(65):
                    connection.send(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")
        return connection.getresponse().status
    finally:
        connection.close()


def _b64(content):
    return {"b64": base64.b64encode(content).decode()}


@pytest.mark.parametrize("size", [(), ("--size", "24x32")], ids=["native", "resized"])
def test_java_gives_what_load_gives(size, convert, tmp_path):
    labels = data.label_tree(
        tmp_path, 4, [0, 1, 2, 255], images=True, size=lambda i: (20 + i, 30 - i)
    )
    out = convert(
        tmp_path / "out",
        *("--label_maps", tmp_path / "labels/*", "--images", tmp_path / "images/*"),
        *("--num_classes=3", "--ignore_label=255", "--normalize=zscore", *size),
    )
    rows = reading.load_all(out)
    keys = sorted(labels)
    (shard,) = out.glob("*.tfrecord-*")
    records = list(tf.data.TFRecordDataset(str(shard)).as_numpy_iterator())
    raw = {
        "serving_default": [
            next(tmp_path.glob(f"images/{key}.*")).read_bytes() for key in keys
        ],
        "label_map": [(tmp_path / f"labels/{key}.png").read_bytes() for key in keys],
        "decode_record": records,
    }
    with model_server(out / "serving") as url:
        for signature, contents in raw.items():
            found = _predict(url, signature, list(map(_b64, contents)))
            for number, row in enumerate(found):
                columns = row if isinstance(row, dict) else {"image": row}
                expected = rows[columns.pop("key", keys[number])]
                height = columns.pop("height", None)
                width = columns.pop("width", None)
                for name, values in columns.items():
                    value = np.array(values, expected[name].dtype)[:height, :width]
                    np.testing.assert_array_equal(value, expected[name], name)
        masks = [rows[key]["mask"][:20, :26].tolist() for key in keys]
        for key, row in zip(keys, _predict(url, "to_png", masks), strict=True):
            png = base64.b64decode(row["png_bytes"]["b64"])
            ids = np.array(Image.open(io.BytesIO(png)))
            label = rows[key]["label"][:20, :26]
            np.testing.assert_array_equal(ids, np.where(label < 0, 255, label))
        with pytest.raises(urllib.error.HTTPError) as error:
            _predict(url, "serving_default", [_b64(b"no picture")])
        assert error.value.code == 400
        assert _status_of_large(url, Content_Length=str(10**12)) == 413
        assert _status_of_large(url, Transfer_Encoding="chunked") == 413
        assert "neither JPEG nor PNG" in error.value.read().decode()


def test_java_computes_a_users_columns(convert, tmp_path):
    data.label_tree(tmp_path, 6, [0, 1, 2, 3], images=True)
    (tmp_path / "own.py").write_text(own_functions.EVERYTHING)
    out = convert(
        tmp_path / "out",
        *("--label_maps", tmp_path / "labels/*", "--images", tmp_path / "images/*"),
        *("--num_classes=4", "--size", "24x32"),
        *("--preprocessing_fn", tmp_path / "own.py"),
    )
    rows = own_functions.rows_of(out, "train")
    (shard,) = out.glob("*.tfrecord-*")
    records = list(tf.data.TFRecordDataset(str(shard)).as_numpy_iterator())
    keys = sorted(rows)
    contents = {
        "image": [next(tmp_path.glob(f"images/{key}.*")).read_bytes() for key in keys],
        "label_map": [(tmp_path / f"labels/{key}.png").read_bytes() for key in keys],
        "decode_record": records,
    }
    seen = set()
    with model_server(out / "serving") as url:
        for signature, encoded in contents.items():
            found = _predict(url, signature, list(map(_b64, encoded)))
            for key, row in zip(keys, found, strict=True):
                expected = rows[row.pop("key", key)]
                seen |= row.keys()
                for name, value in row.items():
                    wanted = expected[name]
                    if isinstance(value, str):
                        value = value.encode()
                    np.testing.assert_array_equal(
                        np.array(value, wanted.dtype), wanted, name
                    )
    (first, *_) = rows.values()
    assert seen == first.keys() - {"key"}


def test_the_sample_is_trained_and_served(convert, tmp_path):
    data.label_tree(tmp_path, 12, [0, 1, 2, 255], images=True)
    convert(
        tmp_path / "out",
        *("--label_maps", tmp_path / "labels/*", "--images", tmp_path / "images/*"),
        *("--num_classes=3", "--ignore_label=255", "--size=24x32"),
    )
    model, mask = tmp_path / "street", tmp_path / "mask.png"
    trained = subprocess.run(
        [
            *(sys.executable, _SCRIPTS / "train_sample.py", "--minutes=0.05"),
            *("--dataset", tmp_path / "out", "--to", model),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "train: mean IoU 0." in trained.stdout
    with model_server(model) as url:
        script, image = _SCRIPTS / "serve_sample.py", tmp_path / "images/row_000.jpg"
        subprocess.run(
            [sys.executable, script, image, "--url", url, "--output", mask], check=True
        )
    colors = np.array(Image.open(mask))
    assert colors.shape == (24, 32, 3)
    exported = tf.saved_model.load(str(model / "1")).signatures["serving_default"]
    found = exported(image_bytes=tf.constant([image.read_bytes()]))
    expected = np.array(Image.open(io.BytesIO(found["color_png_bytes"].numpy()[0])))
    # Another TensorFlow may round the logits of two classes the other way.
    assert (colors == expected).all(axis=-1).mean() > 0.99
