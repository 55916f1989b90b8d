import datetime
import tracemalloc

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from maskbeam.transforms import yaml_trees

# PyYAML folds other line separators into spaces as it writes them.
_CHARACTERS = st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029")
_KEYS = st.text(_CHARACTERS, max_size=6)
_TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False)
    | st.dates()
    | st.text(_CHARACTERS, max_size=12),
    lambda trees: (
        st.lists(trees, max_size=4) | st.dictionaries(_KEYS, trees, max_size=4)
    ),
    max_leaves=12,
)


@given(_TREES, st.booleans())
@settings(max_examples=150, deadline=None, derandomize=True)
def test_what_yaml_writes_is_read(tree, flow):
    text = yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True)
    assert yaml_trees.load(text) == tree


def test_an_alias_stands_for_what_it_names():
    text = "{a: &ids [1, 2], b: *ids, c: [*ids, &x y, *x]}"
    assert yaml_trees.load(text) == {
        "a": [1, 2],
        "b": [1, 2],
        "c": [[1, 2], "y", "y"],
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# no more", None),
        ("%YAML 1.2\n---\n- a", ["a"]),
        ("!!str 7", "7"),
        ("0xFF", 255),
        ("<<", "<<"),
        ("[=, 08, 1-2]", ["=", "08", "1-2"]),
        ("2024-01-31", datetime.date(2024, 1, 31)),
        ('{\n\t"a": 1}', {"a": 1}),
        (r'["\ud83d\ude97\ud83d\ude97", "\\ud83d\\ude00"]', ["🚗🚗", r"\ud83d\ude00"]),
    ],
)
def test_what_is_plain_is_read(text, value):
    assert yaml_trees.load(text) == value


BOMB = "\n".join(
    [f"a0: &a0 [{', '.join(['x'] * 10)}]"]
    + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 30)]
)

HOSTILE = {
    "bomb": (BOMB, "line 6 goes beyond 1,048,576 values"),
    "brackets": ("[" * 500, "line 1 is nested more than 16 deep"),
    "many_brackets": ("[" * 10**6, "nested more than 16"),
    "braces": ("{a: " * 500, "nested more than 16"),
    "dashes": ("- " * 10**6, "nested more than 16"),
    "many_values": ("[" + "a, " * 2_000_000, "goes beyond"),
    "inside_itself": ("a: &a [*a]", "line 1 has the alias 'a', and no anchor"),
    "no_anchor": (f"- {{}}\n- *{'a' * 5000}", "line 2 has the alias 'aaa"),
    "twice": ("a: 1\nb: 2\na: 3", "line 3 has 'a' for the second time"),
    "twice_as_number": ("{1: a, 0x1: b}", "has 1 for the second time"),
    "list_as_name": ("merge: {[1]: 2}", "has a list or a mapping where a name"),
    "alias_as_name": ("[&a [1], {*a : 2}]", "has a list or a mapping where a name"),
    "bool": ("a: !!bool x", "has the tag 'tag:yaml.org,2002:bool'"),
    "binary": ("a: !!binary x", "has the tag"),
    "set": ("a: !!set {x}", "has the tag"),
    "omap": ("a: !!omap [x: 1]", "has the tag"),
    "python": ("a: !!python/object/apply:os.system [ls]", "has the tag"),
    "own_tag": (f"!{'x' * 5000} a", "has the tag"),
    "tag_of_the_other_kind": ("!!map [a]", "has the tag"),
    "tag_directives": ("\n".join(f"%TAG !a{i}! x" for i in range(10**5)), "%TAG"),
    "digits": (f"a:\n- {'9' * 5000}", "line 2 has '99999"),
    "float_digits": ("1:" * 10**5 + "1.0", "has '1:1:"),
    "octal": ("a: 010", "has '010', which is no plain number"),
    "minutes": ("a: 1:30", "has '1:30', which is no plain number"),
    "no_date": ("a: 2024-13-45", "has '2024-13-45', which is no plain number or date"),
    "no_zone": ("a: 2024-01-01 00:00:00 +99:00", "no plain number or date"),
    "two_documents": ("a: 1\n--- \nb: 2", "line 2 begins a second document"),
    "tab": ("a:\n\t- b", "line 2 has a tab"),
    "control": ("a: \x07", "U+0007"),
    "surrogate": ("a: \ud800", "surrogates not allowed"),
    "no_yaml": ("a: b: c", "line 1 is not YAML: "),
    "not_closed": ("a:\n - {name: a", " is not YAML: "),
}


def _refusal(text):
    with pytest.raises(ValueError, match=r"^.") as raised:
        yaml_trees.load(text)
    message = str(raised.value)
    assert len(message) < 300
    assert "\n" not in message
    return message


@pytest.mark.parametrize(("text", "words"), HOSTILE.values(), ids=HOSTILE)
def test_what_a_file_does_not_need_is_refused(text, words):
    assert words in _refusal(text)


@pytest.mark.parametrize("name", sorted(HOSTILE.keys() - {"many_values"}))
def test_it_is_refused_without_libyaml_too(name, monkeypatch):
    monkeypatch.setattr(yaml_trees, "_LOADER", yaml.SafeLoader)
    assert _refusal(HOSTILE[name][0])


@pytest.mark.parametrize("name", ["bomb", "many_brackets", "digits"])
def test_what_is_refused_takes_no_memory(name):
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"^line "):
        yaml_trees.load(HOSTILE[name][0])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 << 20
