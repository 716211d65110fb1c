r"""A TopicModel in one file, `*.lanmu`, that runs no code when it is loaded.

Format 1
--------
A ZIP archive of stored (never compressed) members, in this order:

manifest.json      UTF-8 JSON, keys sorted: "format": 1; "labels"; "n_texts"; "max_ngram";
                   "ngram_weight"; "user_words"; "rules": the numbers of the text and word rules
                   it was trained by; "members": the SHA-256 of each other member; "card": any JSON
                   object, which tells people of the training
words.npy          uint8 (n_bytes,), the words in order of code points, UTF-8, each with "\n" after
ngrams.npy         uint64 (n_ngrams,), ascending keys: code points, 21 bits each, the first highest;
                   with a longer n-gram, its beginning and its last character are there too
df.npy             int32 (n_words + n_ngrams,), in how many training texts each feature is
coefficients.npy   float16 (n_labels, n_features)
intercepts.npy     float64 (n_labels,)
thresholds.npy     float64 (n_labels,)

The archive's comment, the last 64 bytes of the file, is the SHA-256 of all bytes before it in
hexadecimal digits: it covers what the members' hashes don't, the archive's own records. Time stamps
are 1980-01-01. Each `.npy` has a header of 128 bytes, format version 1.0.

Loading checks in this order, and reads no array before all of it holds: the hash; the members'
names, order, sizes and storage; the manifest; the members' hashes; and each `.npy` header, which
must be to the byte the one that its dtype and shape have.

To raise the format number: add the reading of the new format beside the old, keep the old, write
only the new; add a file of the old format to `tests/model/golden/`, where every format that ever
was is loaded for ever; say in CHANGELOG.md what changed and why.
"""

import hashlib
import io
import json
import math
import operator
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lanmu import text, words
from lanmu.errors import LanmuError
from lanmu.features import MAX_NGRAM, Vocabulary, are_ngrams
from lanmu.topic_model import TopicModel
from lanmu.whole_file import whole

FORMAT = 1
SHIPPED = Path(__file__).with_name("topics.lanmu")
"""The model of the four topics that comes with the package."""

_MANIFEST = "manifest.json"
_DTYPES = {
    "words.npy": "|u1",
    "ngrams.npy": "<u8",
    "df.npy": "<i4",
    "coefficients.npy": "<f2",
    "intercepts.npy": "<f8",
    "thresholds.npy": "<f8",
}
_HEADER_SIZE = 128
_HASH_SIZE = 64
_MAX_MANIFEST = 1 << 24


class ModelFileError(LanmuError):
    """A model file is damaged, is none, or is of a format that this version can't read."""


def save_model(model: TopicModel, path: str | Path) -> None:
    """Write a model to a file: to a temporary file beside it, which then takes its place.

    The same model gives the same bytes. A failure leaves what was at `path` as it was.

    Raises
    ------
    ModelFileError
        The model has something that no file may hold, such as a coefficient that is not finite.
    OSError
        The file can't be written.
    """
    path = Path(path)
    data = _to_bytes(model)
    try:
        _from_bytes(data)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: this model could not be loaded again: {error}") from error
    with whole(path) as file:
        file.write(data)


def load_model(path: str | Path | None = None) -> TopicModel:
    """Load a model from a file; the four-topic model that comes with the package if None.

    Raises
    ------
    ModelFileError
        The file is damaged, is no model file, or has a format or rules this version doesn't know.
    OSError
        The file can't be read.

    Examples
    --------
    >>> load_model().labels
    ('consultation', 'ecology', 'heating', 'other', 'welfare')
    """
    path = SHIPPED if path is None else Path(path)
    data = path.read_bytes()
    try:
        return _from_bytes(data)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error.__cause__


def _to_bytes(model: TopicModel) -> bytes:
    arrays: dict[str, NDArray[Any]] = {
        "words.npy": np.frombuffer(
            "".join(f"{word}\n" for word in model.vocabulary.words).encode(), np.uint8
        ),
        "ngrams.npy": model.vocabulary.ngrams,
        "df.npy": model.document_frequencies,
        "coefficients.npy": model.coefficients,
        "intercepts.npy": model.intercepts,
        "thresholds.npy": model.thresholds,
    }
    members = {
        name: _npy_header(dtype, arrays[name].shape) + arrays[name].astype(dtype).tobytes()
        for name, dtype in _DTYPES.items()
    }
    manifest = {
        "format": FORMAT,
        "labels": model.labels,
        "n_texts": model.n_texts,
        "max_ngram": model.vocabulary.max_ngram,
        "ngram_weight": model.ngram_weight,
        "user_words": model.user_words,
        "rules": {"text": text.RULES, "words": words.RULES},
        "members": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
        "card": model.card,
    }
    as_json = json.dumps(manifest, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {_MANIFEST: as_json.encode(), **members}.items():
            info = zipfile.ZipInfo(name)
            info.create_system = 3  # Unix, on every system
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
        archive.comment = b"0" * _HASH_SIZE
    hashed = buffer.getvalue()[:-_HASH_SIZE]
    return hashed + hashlib.sha256(hashed).hexdigest().encode()


def _npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    described = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape!r}, }}"
    size = _HEADER_SIZE - 10
    return b"\x93NUMPY\x01\x00" + size.to_bytes(2, "little") + f"{described:<{size - 1}}\n".encode()


def _from_bytes(data: bytes) -> TopicModel:
    hashed = memoryview(data)[:-_HASH_SIZE]
    if not data.startswith(b"PK"):
        raise ModelFileError("is no lanmu model file")
    if hashlib.sha256(hashed).hexdigest().encode() != data[-_HASH_SIZE:]:
        raise ModelFileError("is damaged: its SHA-256 is not the one it ends with; get it anew")
    members = _members(data)
    manifest = _manifest(members.pop(_MANIFEST))
    for name, member in members.items():
        if hashlib.sha256(member).hexdigest() != manifest["members"][name]:
            raise ModelFileError(f"its member {name} has another SHA-256 than the manifest says")
    return _model(manifest, members)


def _members(data: bytes) -> dict[str, memoryview]:
    """Return the members' bytes once their names, order, sizes and storage are as they must be."""
    expected = [_MANIFEST, *_DTYPES]
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            names = [info.filename for info in infos]
            if names != expected:
                raise ModelFileError(f"has the members {names}, not {expected}")
            for info in infos:
                if info.compress_type != zipfile.ZIP_STORED or info.flag_bits:
                    raise ModelFileError(f"its member {info.filename} is not stored plainly")
                if info.file_size != info.compress_size:
                    raise ModelFileError(f"its member {info.filename} gives two sizes")
            if sum(info.file_size for info in infos) > len(data):
                raise ModelFileError("its members are larger than the file")
            return {info.filename: _member(data, info) for info in infos}
    except ModelFileError:
        raise
    except (
        zipfile.BadZipFile,
        EOFError,
        OSError,
        OverflowError,
        RuntimeError,
        ValueError,
    ) as error:
        raise ModelFileError(f"is a broken archive: {error}") from error


def _member(data: bytes, info: zipfile.ZipInfo) -> memoryview:
    """Return a stored member's bytes; its SHA-256 will tell more than the archive's CRC-32."""
    header = info.FileHeader()
    start = info.header_offset + len(header)
    member = memoryview(data)[start : start + info.file_size]
    if not data.startswith(header, info.header_offset) or len(member) < info.file_size:
        raise ModelFileError(f"is a broken archive: it describes {info.filename} in two ways")
    return member


def _manifest(member: memoryview) -> dict[str, Any]:
    if len(member) > _MAX_MANIFEST:
        raise ModelFileError(f"its manifest has {len(member)} bytes, more than {_MAX_MANIFEST}")
    try:
        manifest = json.loads(bytes(member))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"its manifest is no JSON: {error}") from error
    if not isinstance(manifest, dict) or "format" not in manifest:
        raise ModelFileError("its manifest gives no format number")
    if type(manifest["format"]) is not int or manifest["format"] != FORMAT:
        raise ModelFileError(
            f"has format {manifest['format']!r}; this version of lanmu reads {FORMAT}: upgrade it"
        )
    rules = {"text": text.RULES, "words": words.RULES}
    if manifest.get("rules") != rules:
        raise ModelFileError(
            f"was trained by the rules {manifest.get('rules')!r}; this version of lanmu has {rules}"
        )
    _check(manifest, "labels", _is_strings(manifest.get("labels")) and manifest["labels"])
    _check(manifest, "labels", manifest["labels"] == sorted(set(manifest["labels"])))
    _check(manifest, "user_words", _is_strings(manifest.get("user_words")))
    _check(manifest, "n_texts", _is_count(manifest.get("n_texts"), 1, 2**31 - 1))
    _check(manifest, "max_ngram", _is_count(manifest.get("max_ngram"), 0, MAX_NGRAM))
    weight = manifest.get("ngram_weight")
    _check(manifest, "ngram_weight", type(weight) is float and 1e-3 <= weight <= 1e3)
    _check(manifest, "card", isinstance(manifest.get("card"), dict))
    hashes = manifest.get("members")
    _check(manifest, "members", isinstance(hashes, dict) and hashes.keys() == _DTYPES.keys())
    return manifest


def _check(manifest: dict[str, Any], name: str, holds: Any) -> None:
    if not holds:
        raise ModelFileError(f"its manifest has {name} {manifest.get(name)!r:.80}")


def _is_strings(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, str) and item and item.encode("utf-8", "replace").decode() == item
        for item in value
    )


def _is_count(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _model(manifest: dict[str, Any], members: dict[str, memoryview]) -> TopicModel:
    labels = tuple(manifest["labels"])
    n_bytes = len(members["words.npy"]) - _HEADER_SIZE
    n_words = bytes(members["words.npy"]).count(b"\n", _HEADER_SIZE)
    n_ngrams = (len(members["ngrams.npy"]) - _HEADER_SIZE) // 8
    n_features = n_words + n_ngrams
    shapes = {
        "words.npy": (n_bytes,),
        "ngrams.npy": (n_ngrams,),
        "df.npy": (n_features,),
        "coefficients.npy": (len(labels), n_features),
        "intercepts.npy": (len(labels),),
        "thresholds.npy": (len(labels),),
    }
    for name, shape in shapes.items():
        _check_array(members[name], name, shape)
    arrays = {
        name: np.frombuffer(members[name], _DTYPES[name], offset=_HEADER_SIZE).reshape(shape)
        for name, shape in shapes.items()
    }
    listed = _word_list(arrays["words.npy"])
    df, ngrams = arrays["df.npy"].copy(), arrays["ngrams.npy"].copy()  # aligned
    if not are_ngrams(ngrams, manifest["max_ngram"]):
        raise ModelFileError("its n-grams are not in ascending order, or lack parts of longer ones")
    if not 1 <= df.min(initial=1) <= df.max(initial=1) <= manifest["n_texts"]:
        raise ModelFileError(f"has document frequencies beyond 1 to {manifest['n_texts']}")
    coefficients = arrays["coefficients.npy"].astype(np.float32)
    for name, numbers in {
        "coefficients.npy": coefficients,
        "intercepts.npy": arrays["intercepts.npy"],
    }.items():
        if not np.isfinite([numbers.min(initial=0), numbers.max(initial=0)]).all():
            raise ModelFileError(f"its member {name} has numbers that are not finite")
    if not ((arrays["thresholds.npy"] >= 0) & (arrays["thresholds.npy"] <= 1)).all():
        raise ModelFileError("has thresholds beyond 0 to 1")
    return TopicModel(
        labels=labels,
        vocabulary=Vocabulary(listed, ngrams, manifest["max_ngram"]),
        document_frequencies=df,
        n_texts=manifest["n_texts"],
        coefficients=coefficients,
        intercepts=arrays["intercepts.npy"].copy(),
        thresholds=arrays["thresholds.npy"].copy(),
        ngram_weight=manifest["ngram_weight"],
        user_words=tuple(manifest["user_words"]),
        card=manifest["card"],
    )


def _check_array(member: memoryview, name: str, shape: tuple[int, ...]) -> None:
    dtype = np.dtype(_DTYPES[name])
    if member[:_HEADER_SIZE] != _npy_header(_DTYPES[name], shape):
        raise ModelFileError(f"its member {name} is no {dtype} array of shape {shape}")
    if len(member) != _HEADER_SIZE + math.prod(shape) * dtype.itemsize:
        raise ModelFileError(f"its member {name} has not the size of its shape {shape}")


def _word_list(blob: NDArray[np.uint8]) -> tuple[str, ...]:
    try:
        listed = blob.tobytes().decode().split("\n")
    except UnicodeDecodeError as error:
        raise ModelFileError(f"its words are not UTF-8: {error}") from error
    if listed.pop() or "" in listed or not all(map(operator.lt, listed, listed[1:])):
        raise ModelFileError("its words are not in ascending order, each on its line")
    return tuple(listed)
