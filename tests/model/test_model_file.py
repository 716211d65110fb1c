"""A model file gives back the model that was saved, or is refused by name; it never runs code."""

import errno
import hashlib
import io
import json
import os
import pickle
import random
import stat
import struct
import tracemalloc
import warnings
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from lanmu import ModelFileError, load_model
from lanmu.features import Vocabulary
from lanmu_training import TopicClassifier, read_labeled

GOLDEN = Path(__file__).with_name("golden")
TEXTS = ["供热管网改造今天完工，2.6公里", "湿地飞来候鸟", "ＰＭ２．５", "图书馆", "", "，。", "股"]
ARRAYS = ["words", "ngrams", "df", "coefficients", "intercepts", "thresholds"]
MEMBERS = ["manifest.json", *(f"{name}.npy" for name in ARRAYS)]


# What a file is made of, and how an attacker would make one


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    """Return the bytes of a saved model."""
    path = tmp_path_factory.mktemp("saved") / "small.lanmu"
    model.save(path)
    return path.read_bytes()


@pytest.fixture
def load(tmp_path):
    """Load a model from bytes, or check that a refusal names the file, and give the rest of it."""

    def load(data):
        path = tmp_path / "attack.lanmu"
        path.write_bytes(data)
        try:
            return load_model(path)
        except ModelFileError as error:
            where, what = str(error)[: len(f"{path}: ")], str(error)[len(f"{path}: ") :]
            assert where == f"{path}: "
            raise ModelFileError(what) from error  # so that what a test expects is not in the path

    return load


def members_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def rehashed(data):
    """Give a file the SHA-256 at its end that its other bytes have."""
    return data[:-64] + hashlib.sha256(data[:-64]).hexdigest().encode()


def archive_of(members, *, deflated=()):
    """Make a ZIP archive of (name, bytes) pairs, with the right SHA-256 at its end."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names given twice
        for name, data in members:
            method = zipfile.ZIP_DEFLATED if name in deflated else zipfile.ZIP_STORED
            archive.writestr(zipfile.ZipInfo(name), data, method)
        archive.comment = b"0" * 64
    return rehashed(buffer.getvalue())


def with_manifest(data, change):
    """Change the manifest: a function of the object, or bytes in its place."""
    members = members_of(data)
    if callable(change):
        manifest = json.loads(members["manifest.json"])
        change(manifest)
        change = json.dumps(manifest).encode()
    return archive_of((members | {"manifest.json": change}).items())


def with_members(data, **changed):
    """Put other bytes in place of .npy members, and their SHA-256 in the manifest."""
    files = {f"{name}.npy": member for name, member in changed.items()}

    def rehash(manifest):
        manifest["members"] |= {
            name: hashlib.sha256(member).hexdigest() for name, member in files.items()
        }

    return with_manifest(archive_of((members_of(data) | files).items()), rehash)


def array_of(data, name):
    return np.load(io.BytesIO(members_of(data)[f"{name}.npy"]))


def npy(array, **settings):
    buffer = io.BytesIO()
    np.save(buffer, array, **settings)
    return buffer.getvalue()


def npy_that_says(header, data=b""):
    """Make a .npy of a header of any text."""
    text = f"{header:<117}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def with_array(data, name, change):
    """Change an array in place by a function."""
    array = array_of(data, name).copy()
    change(array)
    return with_members(data, **{name: npy(array)})


def set_to(field, value):
    return lambda manifest: manifest.update({field: value})


def refuse_arrays(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("an array was made of a file that is to be refused")

    for name in ("frombuffer", "fromfile", "load", "fromstring", "memmap"):
        monkeypatch.setattr(np, name, fail)


def assert_same_model(loaded, model):
    for field in fields(model):
        one, other = getattr(loaded, field.name), getattr(model, field.name)
        assert type(one) is type(other)
        if isinstance(one, np.ndarray):
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            np.testing.assert_array_equal(one, other)
        elif isinstance(one, Vocabulary):
            assert (one.words, one.max_ngram) == (other.words, other.max_ngram)
            np.testing.assert_array_equal(one.ngrams, other.ngrams)
        else:
            assert one == other
    assert loaded.predict_proba(TEXTS).tobytes() == model.predict_proba(TEXTS).tobytes()
    assert loaded.label(TEXTS) == model.label(TEXTS)
    assert loaded.explain(TEXTS[0]) == model.explain(TEXTS[0])


# There and back


def test_a_saved_model_is_the_same_when_loaded(model, tmp_path):
    with_card = replace(model, card={"note": "供热", "scores": [0.5, None], "made": {"by": "me"}})
    with_card.save(tmp_path / "m.lanmu")
    assert_same_model(load_model(tmp_path / "m.lanmu"), with_card)


@pytest.mark.parametrize(
    "settings",
    [{"max_ngram": 0}, {"max_ngram": 1}, {"max_ngram": 3, "min_df": 2}, {"user_words": ("雪豹",)}],
    ids=str,
)
def test_a_model_of_any_settings_is_the_same_when_loaded(settings, tmp_path):
    data = read_labeled(GOLDEN / "format-1.jsonl")
    model = TopicClassifier(**settings).fit(data.texts, data.labels).to_model()
    model.save(tmp_path / "m.lanmu")
    assert_same_model(load_model(str(tmp_path / "m.lanmu")), model)


@pytest.mark.parametrize(("words", "ngrams"), [((), [0x70ED]), (("供热",), []), ((), [])])
def test_a_model_without_words_or_n_grams_is_the_same_when_loaded(model, tmp_path, words, ngrams):
    vocabulary = Vocabulary(words, np.array(ngrams, np.uint64), max_ngram=1)
    small = replace(
        model,
        vocabulary=vocabulary,
        document_frequencies=np.ones(len(vocabulary), np.int32),
        coefficients=np.ones((3, len(vocabulary)), np.float32),
    )
    small.save(tmp_path / "m.lanmu")
    assert_same_model(load_model(tmp_path / "m.lanmu"), small)


def test_labels_can_be_any_text(model, tmp_path):
    named = replace(model, labels=("\n\0", "a/b", "供热 😀"))
    named.save(tmp_path / "m.lanmu")
    assert load_model(tmp_path / "m.lanmu").labels == named.labels


def test_saving_twice_gives_the_same_bytes(model, saved, tmp_path):
    model.save(tmp_path / "again.lanmu")
    assert (tmp_path / "again.lanmu").read_bytes() == saved
    load_model(tmp_path / "again.lanmu").save(tmp_path / "again.lanmu")
    assert (tmp_path / "again.lanmu").read_bytes() == saved


def test_the_order_in_which_a_card_was_written_changes_no_byte(model, tmp_path):
    cards = {"made": {"a": 1, "b": 2}, "by": "me"}, {"by": "me", "made": {"b": 2, "a": 1}}
    for number, card in enumerate(cards):
        replace(model, card=card).save(tmp_path / f"{number}.lanmu")
    assert (tmp_path / "0.lanmu").read_bytes() == (tmp_path / "1.lanmu").read_bytes()


def test_a_file_is_a_zip_of_plainly_stored_members_that_numpy_can_read(saved):
    with zipfile.ZipFile(io.BytesIO(saved)) as archive:
        infos = archive.infolist()
    assert [info.filename for info in infos] == MEMBERS
    for info in infos:
        assert info.compress_type == zipfile.ZIP_STORED
        assert info.date_time == (1980, 1, 1, 0, 0, 0)
    for name in ARRAYS:
        assert members_of(saved)[f"{name}.npy"] == npy(array_of(saved, name))


def test_the_manifest_holds_the_hash_of_each_other_member(saved):
    members = members_of(saved)
    hashes = json.loads(members.pop("manifest.json"))["members"]
    assert hashes == {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}


def test_the_file_ends_with_the_hash_of_all_before(saved):
    assert saved[-64:].decode() == hashlib.sha256(saved[:-64]).hexdigest()


def test_loading_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.lanmu"):
        load_model(tmp_path / "none.lanmu")


def test_a_file_of_format_1_loads_and_predicts_as_recorded():
    """Made at the repository's root, once and for ever, by

    from lanmu_training import read_labeled, train
    data = read_labeled("tests/model/golden/format-1.jsonl")
    train(data, user_words=("供热管网",)).save("tests/model/golden/format-1.lanmu")
    """
    model = load_model(GOLDEN / "format-1.lanmu")
    assert model.labels == ("ecology", "heating", "other")
    assert model.user_words == ("供热管网",)
    assert model.card["examples"] == {"ecology": 5, "heating": 5, "other": 5}
    recorded = json.loads((GOLDEN / "format-1.json").read_bytes())
    assert model.predict(recorded["texts"]) == recorded["predicted"]
    np.testing.assert_allclose(
        model.decision_function(recorded["texts"]), recorded["scores"], rtol=0, atol=1e-9
    )
    spans = model.explain(recorded["texts"][0]).spans
    assert [span.text for span in spans] == recorded["words_of_first"]


# Saving wholly or not at all


def fail_with(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "no space left"), KeyboardInterrupt()])
@pytest.mark.parametrize(("owner", "name"), [(os, "fsync"), (Path, "replace")])
@pytest.mark.parametrize("before", [b"the old file", None], ids=["over", "new"])
def test_a_save_that_fails_leaves_the_folder_as_it_was(
    model, tmp_path, monkeypatch, owner, name, error, before
):
    path = tmp_path / "m.lanmu"
    if before is not None:
        path.write_bytes(before)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail_with(error))
        with pytest.raises(type(error)):
            model.save(path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before] * (before is not None)


def test_a_save_is_on_disk_before_it_takes_its_place(model, tmp_path, monkeypatch):
    path, seen = tmp_path / "m.lanmu", []
    fsync, rename = os.fsync, Path.replace

    def note_fsync(number):
        if stat.S_ISREG(os.fstat(number).st_mode):
            seen.append(("on disk", os.fstat(number).st_size))
        fsync(number)

    def note_rename(source, target):
        seen.append(("renamed", source.stat().st_size))
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_rename)
    model.save(path)
    size = path.stat().st_size
    assert seen == [("on disk", size), ("renamed", size)]


def test_a_save_replaces_a_file_and_leaves_nothing_else(model, saved, tmp_path):
    path = tmp_path / "m.lanmu"
    path.write_bytes(b"the old file")
    model.save(path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == saved


def test_saving_into_no_folder_is_an_error_of_the_system(model, tmp_path):
    with pytest.raises(FileNotFoundError):
        model.save(tmp_path / "none" / "m.lanmu")


@pytest.mark.parametrize(
    "wrong",
    [
        {"user_words": ("",)},
        {"intercepts": np.array([0, np.nan, 0])},
        {"thresholds": np.array([0, 0, 1.5])},
        {"labels": ("heating", "ecology", "other")},
        {"card": {"score": float("nan")}},
        {"n_texts": 0},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_could_not_be_loaded_is_not_saved(model, tmp_path, wrong):
    with pytest.raises(ValueError):  # noqa: PT011 - any that says no
        replace(model, **wrong).save(tmp_path / "m.lanmu")
    assert list(tmp_path.iterdir()) == []


# Damage


def test_two_thousand_flipped_bits_are_each_refused(saved, load):
    pick = random.Random(0)
    for _ in range(2000):
        bit = pick.randrange(8 * len(saved))
        damaged = bytearray(saved)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ModelFileError):
            load(bytes(damaged))


def member_edges(data):
    """Return where each member, its data, and the archive's own records begin and end."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        edges = {0, 1, 2, 4, archive.start_dir, len(data) - 64, len(data) - 86, len(data) - 1}
        for info in archive.infolist():
            start = info.header_offset + 30 + len(info.filename)
            edges |= {info.header_offset, start, start + 128, start + info.file_size}
    return sorted(edge for edge in edges if edge < len(data))


def test_a_truncated_file_is_refused(saved, load):
    pick = random.Random(0)
    for length in [*member_edges(saved), *pick.sample(range(len(saved)), 300)]:
        with pytest.raises(ModelFileError):
            load(saved[:length])


def test_a_truncated_file_is_refused_with_the_right_hash_too(saved, load):
    pick = random.Random(0)
    last_record = len(saved) - 64 - 22  # of the archive, without which nothing is found in it
    lengths = {*member_edges(saved), *pick.sample(range(last_record), 300)}
    for length in sorted(length for length in lengths if length <= last_record):
        with pytest.raises(ModelFileError):
            load(rehashed(saved[:length] + bytes(64)))


@pytest.mark.parametrize(
    "data", [b"", b"P", b"PK", b"PK" + bytes(62), bytes(5000), b"\x80\x04]\x94.", b"{}", b"x" * 64]
)
def test_what_is_no_model_file_is_refused(data, load):
    with pytest.raises(ModelFileError):
        load(data)
    with pytest.raises(ModelFileError):
        load(rehashed(data + bytes(64)))


def test_bytes_after_the_end_are_refused(saved, load):
    with pytest.raises(ModelFileError, match="damaged"):
        load(saved + b"\n")


# Whoever can hash can still do no harm


def load_or_refuse(load, data):
    """Load bytes or refuse them; any other exception fails the test."""
    try:
        return load(data)
    except ModelFileError:
        return None


def flipped(data, bit):
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def test_two_thousand_flipped_bits_with_the_right_hash_are_harmless(saved, load):
    pick = random.Random(1)
    for _ in range(2000):
        load_or_refuse(load, rehashed(flipped(saved, pick.randrange(8 * len(saved) - 8 * 64))))


def test_flipped_bits_of_the_archives_own_records_are_harmless(saved, load):
    with zipfile.ZipFile(io.BytesIO(saved)) as archive:
        records = [*range(archive.start_dir, len(saved) - 64)]
        for info in archive.infolist():
            records += range(info.header_offset, info.header_offset + 30)
    bits = [8 * byte + bit for byte in records for bit in range(8)]
    for bit in random.Random(5).sample(bits, 2000):
        load_or_refuse(load, rehashed(flipped(saved, bit)))


def test_random_archive_records_are_harmless(saved, load):
    pick = random.Random(2)
    with zipfile.ZipFile(io.BytesIO(saved)) as archive:
        start = archive.start_dir
    for _ in range(1000):
        damaged = bytearray(saved)
        for _ in range(pick.randint(1, 6)):
            damaged[pick.randrange(start, len(saved) - 64)] = pick.choice([0, 1, 8, 127, 255])
        load_or_refuse(load, rehashed(bytes(damaged)))


def test_flipped_bits_of_a_manifest_with_all_hashes_right_are_harmless(saved, load):
    pick = random.Random(3)
    manifest = members_of(saved)["manifest.json"]
    for _ in range(500):
        changed = flipped(manifest, pick.randrange(8 * len(manifest)))
        load_or_refuse(load, with_manifest(saved, changed))


@pytest.mark.parametrize("name", ARRAYS)
def test_flipped_bits_of_an_array_with_all_hashes_right_are_harmless(saved, load, name):
    pick = random.Random(4)
    member = members_of(saved)[f"{name}.npy"]
    for _ in range(100):
        changed = flipped(member, pick.randrange(8 * len(member)))
        model = load_or_refuse(load, with_members(saved, **{name: changed}))
        if model is not None:
            assert model.predict_proba(TEXTS).sum(axis=1) == pytest.approx(1, abs=1e-9)


def test_what_the_attacks_below_change_loads_unchanged(saved, load, model):
    assert_same_model(load(archive_of(members_of(saved).items())), model)
    assert_same_model(load(with_manifest(saved, set_to("card", {}))), model)
    assert_same_model(load(with_members(saved, df=members_of(saved)["df.npy"])), model)


class Bomb:
    """What makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["model.pkl", "words.npy", "manifest.json"])
def test_a_pickle_is_refused_and_never_run(saved, load, tmp_path, name):
    payload = pickle.dumps(Bomb(tmp_path / "harm"))
    for data in (payload, npy(np.array([Bomb(tmp_path / "harm")]), allow_pickle=True)):
        members = members_of(saved)
        if name == "words.npy":
            attack = with_members(saved, words=data)
        else:
            attack = archive_of((members | {name: data}).items())
        for file in (attack, data, rehashed(data + bytes(64))):
            with pytest.raises(ModelFileError):
                load(file)
    assert not (tmp_path / "harm").exists()


def renamed(old, new):
    return lambda members: [(new if name == old else name, data) for name, data in members]


ARCHIVES = {
    "a path for a name": renamed("words.npy", "../words.npy"),
    "an absolute path for a name": renamed("words.npy", "/words.npy"),
    "a name twice": lambda members: [*members, members[1]],
    "two names changed over": lambda members: [*members[:-2], members[-1], members[-2]],
    "a member missing": lambda members: members[:-1],
    "no manifest": lambda members: members[1:],
    "no member": lambda _: [],
    "a member more": lambda members: [*members, ("notes.txt", b"hello")],
    "a name in other case": renamed("words.npy", "WORDS.npy"),
    "a name not of ASCII": renamed("words.npy", "词.npy"),
    "an empty member": lambda members: [*members[:-1], (members[-1][0], b"")],
}


@pytest.mark.parametrize("attack", ARCHIVES)
def test_an_archive_of_other_members_is_refused(saved, load, monkeypatch, attack):
    data = archive_of(ARCHIVES[attack](list(members_of(saved).items())))
    refuse_arrays(monkeypatch)
    with pytest.raises(ModelFileError):
        load(data)


def patched_records(data, name, offset, new):
    """Write bytes over a member's record in the archive's directory, at an offset within it."""
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(name.encode()))
    return rehashed(data[: at + offset] + new + data[at + offset + len(new) :])


RECORDS = {  # offsets within a record of the directory: flags 8, method 10, sizes 20 and 24
    "encrypted": (8, struct.pack("<H", 1), "not stored plainly"),
    "of a later version": (6, struct.pack("<H", 99), "archive"),
    "deflated, it says": (10, struct.pack("<H", 8), "not stored plainly"),
    "by an unknown method": (10, struct.pack("<H", 77), "not stored plainly"),
    "4 GB, it says": (20, struct.pack("<II", 2**32 - 2, 2**32 - 2), "larger than the file"),
    "two sizes": (24, struct.pack("<I", 2**31), "two sizes"),
    "elsewhere": (42, struct.pack("<I", 2**31), "archive"),
}


@pytest.mark.parametrize("attack", RECORDS)
def test_a_member_that_is_not_stored_plainly_is_refused(saved, load, monkeypatch, attack):
    offset, new, says = RECORDS[attack]
    data = patched_records(saved, "df.npy", offset, new)
    refuse_arrays(monkeypatch)
    with pytest.raises(ModelFileError, match=says):
        load(data)


def test_a_name_that_says_it_is_utf_8_and_is_not_is_refused(saved, load):
    flagged = patched_records(saved, "df.npy", 8, struct.pack("<H", 0x800))
    with pytest.raises(ModelFileError):
        load(patched_records(flagged, "df.npy", 46, b"\xff\xfe"))


@pytest.mark.parametrize("offset", [2**32, 2**63 - 1, 2**63, 2**64 - 1])
def test_a_member_at_a_huge_offset_is_refused(saved, load, offset):
    at = saved.rindex(b"PK\x01\x02")  # the last record: 46 bytes and thresholds.npy
    end = at + 46 + len("thresholds.npy")
    record, last = bytearray(saved[at:end]), bytearray(saved[end:])
    record[30:32] = struct.pack("<H", 12)  # of more to come: the offset in 64 bits
    record[42:46] = b"\xff" * 4
    last[12:16] = struct.pack("<I", struct.unpack("<I", last[12:16])[0] + 12)
    data = saved[:at] + record + struct.pack("<HHQ", 1, 8, offset) + last
    with pytest.raises(ModelFileError):
        load(rehashed(data))


def test_a_zip_bomb_is_refused_before_it_swells(saved, load):
    members = members_of(saved) | {"coefficients.npy": bytes(50_000_000)}
    data = archive_of(members.items(), deflated=["coefficients.npy"])
    assert len(data) < 200_000
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError):
            load(data)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


HEADERS = {
    "of objects": npy_that_says("{'descr': '|O', 'fortran_order': False, 'shape': (3,), }"),
    "of a huge shape": npy_that_says(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }", bytes(24)
    ),
    "of a shape below zero": npy_that_says(
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-3,), }", bytes(24)
    ),
    "in columns": npy_that_says(
        "{'descr': '<f8', 'fortran_order': True, 'shape': (3,), }", bytes(24)
    ),
    "of the wrong type": npy(np.zeros(3, np.float32)),
    "in the other byte order": npy(np.zeros(3, ">f8")),
    "of two dimensions": npy(np.zeros((3, 1))),
    "of records": npy(np.zeros(3, [("a", "f8")])),
    "with code": npy_that_says("__import__('os').mkdir('harm')"),
    "a huge header": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 200,
    "too long": npy(np.full(3, 0.5)) + b"\0",
    "too short": npy(np.full(3, 0.5))[:-1],
    "no header": b"",
    "half a header": npy(np.zeros(3))[:60],
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("attack", HEADERS)
def test_a_wrong_array_header_is_refused_before_an_array_is_made(
    saved, load, monkeypatch, attack, name
):
    data = with_members(saved, **{name: HEADERS[attack]})
    refuse_arrays(monkeypatch)
    with pytest.raises(ModelFileError, match=rf"{name}\.npy"):
        load(data)


def test_a_member_that_the_manifest_has_not_hashed_is_refused(saved, load, monkeypatch):
    other = npy(array_of(saved, "thresholds") / 2)
    data = archive_of((members_of(saved) | {"thresholds.npy": other}).items())
    refuse_arrays(monkeypatch)
    with pytest.raises(ModelFileError, match=r"thresholds\.npy"):
        load(data)


def nested(depth, *, as_object=False):
    opening, closing = (b'{"a":', b"1" + b"}" * depth) if as_object else (b"[", b"]" * depth)
    return opening * depth + closing


def without(field):
    return lambda manifest: manifest.pop(field)


MANIFESTS = {
    "not JSON": (b"format: 1", "manifest"),
    "nothing": (b"", "manifest"),
    "not UTF-8": (b'{"format": "\xff"}', "manifest"),
    "a list": (b"[1]", "manifest"),
    "a number": (b"1", "manifest"),
    "null": (b"null", "manifest"),
    "nested deep": (nested(100_000), "manifest"),
    "objects nested deep": (nested(100_000, as_object=True), "manifest"),
    "a number of 5000 digits": (b'{"format": ' + b"9" * 5000 + b"}", "manifest"),
    "17 MB": (b'{"format": 1, "card": "' + b" " * (17 << 20) + b'"}', "manifest"),
    "no format": (without("format"), "format"),
    "a later format": (set_to("format", 2), "upgrade"),
    "a format in words": (set_to("format", "1"), "format"),
    "a format that is true": (set_to("format", True), "format"),
    "a format that is null": (set_to("format", None), "format"),
    "other text rules": (set_to("rules", {"text": 999, "words": 1}), "rules"),
    "other word rules": (set_to("rules", {"text": 1, "words": 999}), "rules"),
    "rules more": (lambda manifest: manifest["rules"].update(other=1), "rules"),
    "no rules": (without("rules"), "rules"),
    "no labels": (without("labels"), "labels"),
    "empty labels": (set_to("labels", []), "labels"),
    "an empty label": (set_to("labels", ["", "heating", "other"]), "labels"),
    "labels twice": (set_to("labels", ["ecology", "heating", "heating"]), "labels"),
    "labels in disorder": (set_to("labels", ["other", "heating", "ecology"]), "labels"),
    "labels that are numbers": (set_to("labels", [1, 2, 3]), "labels"),
    "labels that are one text": (set_to("labels", "abc"), "labels"),
    "labels that are half a character": (set_to("labels", ["a", "b", "\ud800"]), "labels"),
    "user words that are one text": (set_to("user_words", "供热"), "user_words"),
    "user words that are numbers": (set_to("user_words", [1]), "user_words"),
    "user words that are half a character": (set_to("user_words", ["\ud800"]), "user_words"),
    "no user words": (without("user_words"), "user_words"),
    "no texts": (set_to("n_texts", 0), "n_texts"),
    "half a text": (set_to("n_texts", 15.5), "n_texts"),
    "true texts": (set_to("n_texts", True), "n_texts"),
    "too many texts": (set_to("n_texts", 2**70), "n_texts"),
    "n-grams too long": (set_to("max_ngram", 4), "max_ngram"),
    "n-grams below zero": (set_to("max_ngram", -1), "max_ngram"),
    "a card that is a list": (set_to("card", []), "card"),
    "no hashes": (without("members"), "members"),
    "a hash missing": (lambda manifest: manifest["members"].pop("df.npy"), "members"),
    "hashes in a list": (set_to("members", list(ARRAYS)), "members"),
    "a hash that is a number": (lambda m: m["members"].update({"df.npy": 5}), r"df\.npy"),
}


@pytest.mark.parametrize("attack", MANIFESTS)
def test_a_wrong_manifest_is_refused_before_an_array_is_made(saved, load, monkeypatch, attack):
    change, says = MANIFESTS[attack]
    data = with_manifest(saved, change)
    refuse_arrays(monkeypatch)
    with pytest.raises(ModelFileError, match=says):
        load(data)


@pytest.mark.parametrize("depth", range(100, 3000, 100))
def test_a_nested_manifest_is_refused_at_any_depth(saved, load, depth):
    for nest in (nested(depth), nested(depth, as_object=True)):
        with pytest.raises(ModelFileError):
            load(with_manifest(saved, b'{"format": ' + nest + b"}"))


def put(place, value):
    def change(array):
        array[place] = value

    return change


def swap_first_two(array):
    array[:2] = array[[1, 0]]


VALUES = {
    "a coefficient that is no number": ("coefficients", put((0, 0), np.nan), "coefficients"),
    "an infinite coefficient": ("coefficients", put((2, 5), np.inf), "coefficients"),
    "an intercept that is no number": ("intercepts", put(1, np.nan), "intercepts"),
    "an infinite intercept": ("intercepts", put(1, -np.inf), "intercepts"),
    "a threshold below 0": ("thresholds", put(0, -0.01), "thresholds"),
    "a threshold above 1": ("thresholds", put(2, 1.01), "thresholds"),
    "a threshold that is no number": ("thresholds", put(1, np.nan), "thresholds"),
    "a feature in no text": ("df", put(3, 0), "document frequencies"),
    "a feature in fewer texts than none": ("df", put(3, -1), "document frequencies"),
    "a feature in more texts than there are": ("df", put(3, 16), "document frequencies"),
    "n-grams in disorder": ("ngrams", swap_first_two, "n-grams"),
    "an n-gram twice": ("ngrams", put(1, ord("1")), "n-grams"),
    "an empty n-gram": ("ngrams", put(0, 0), "n-grams"),
    "an n-gram with no beginning": ("ngrams", put(-1, 2**62), "n-grams"),
}


@pytest.mark.parametrize("attack", VALUES)
def test_a_wrong_value_is_refused(saved, load, attack):
    name, change, says = VALUES[attack]
    with pytest.raises(ModelFileError, match=says):
        load(with_array(saved, name, change))


@pytest.mark.parametrize(
    "change",
    [
        lambda listed: [listed[1], listed[0], *listed[2:]],
        lambda listed: [listed[0], *listed[:-1]],
        lambda listed: ["", *listed[1:]],
        lambda listed: [*listed[:-1], "\udcff"],
        lambda listed: listed[:-1],
        lambda listed: [*listed, "龥龥"],
    ],
    ids=["disorder", "one twice", "one empty", "not UTF-8", "one missing", "one more"],
)
def test_wrong_words_are_refused(saved, load, change):
    listed = array_of(saved, "words").tobytes().decode().splitlines()
    blob = "".join(f"{word}\n" for word in change(listed)).encode("utf-8", "surrogateescape")
    with pytest.raises(ModelFileError):
        load(with_members(saved, words=npy(np.frombuffer(blob, np.uint8))))


def test_words_without_their_last_line_end_are_refused(saved, load):
    *others, last = array_of(saved, "words").tobytes().decode().splitlines()
    blob = "".join(f"{word}\n" for word in [*others, last[0]]) + last  # with as many line ends
    with pytest.raises(ModelFileError, match="its words"):
        load(with_members(saved, words=npy(np.frombuffer(blob.encode(), np.uint8))))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("coefficients", 65504),
        ("coefficients", -65504),
        ("intercepts", 1e308),
        ("intercepts", -1e308),
    ],
)
def test_a_model_of_extreme_numbers_is_refused_or_gives_probabilities(saved, load, name, value):
    model = load_or_refuse(load, with_array(saved, name, put(..., value)))
    if model is not None:
        assert model.predict_proba(TEXTS).sum(axis=1) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("weight", [1e308, 1e200, 1e-200, 5e-324])
def test_a_model_of_an_extreme_weight_is_refused_or_gives_probabilities(saved, load, weight):
    model = load_or_refuse(load, with_manifest(saved, set_to("ngram_weight", weight)))
    if model is not None:
        assert model.predict_proba(TEXTS).sum(axis=1) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("words", [["\0"], ["a\nb"], [" "], ["热" * 10_000], ["\ufeff", "供\0热"]])
def test_user_words_of_odd_characters_are_refused_or_harmless(saved, load, words):
    model = load_or_refuse(load, with_manifest(saved, set_to("user_words", words)))
    if model is not None:
        assert [span.text for span in model.explain("供热湿地").spans] == ["供热", "湿地"]
