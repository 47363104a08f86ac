"""Structured values come apart and together again; what isn't allowed is named with its path."""

import collections
import dataclasses
import pickle
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from revolve_ad import errors, trees


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class Ocean:
    height: Any
    speed: Any
    name: str = dataclasses.field(default="north", metadata={"static": True})


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    u: Any


@dataclasses.dataclass(frozen=True)
class Converting:
    """Its `__post_init__` refuses what isn't a float, as real ones do."""

    a: Any
    twice: Any = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "a", float(self.a))
        object.__setattr__(self, "twice", 2 * self.a)


class Traced:
    """An array-like object that lies about its class, as a traced array does."""

    dtype = np.dtype(float)
    shape = (2,)

    @property
    def __class__(self):  # type: ignore[no-untyped-def]
        return np.ndarray

    def __array_ufunc__(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        raise AssertionError("no arithmetic is needed to take a value apart")

    __array_function__ = __array_ufunc__


ARRAY = np.arange(3.0)

LEAVES = [ARRAY, np.zeros((), complex), 1, 2.5, True, 1j, np.float32(3), np.bool_(False)]


def same(one: Any, two: Any) -> bool:
    """Equality that doesn't ask arrays for a truth value."""
    if type(one) is not type(two):
        return False
    if isinstance(one, dict):
        return list(one) == list(two) and all(same(one[k], two[k]) for k in one)
    if isinstance(one, (tuple, list)):
        return len(one) == len(two) and all(map(same, one, two))
    if dataclasses.is_dataclass(one):
        fields = [f.name for f in dataclasses.fields(one)]
        return all(same(getattr(one, f), getattr(two, f)) for f in fields)
    return one is two


leaf = st.sampled_from(LEAVES)
keys = st.one_of(st.integers(), st.text(max_size=3), st.tuples(st.integers(), st.booleans()))
value = st.recursive(
    st.one_of(leaf, st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
        st.dictionaries(keys, inner, max_size=3).map(collections.OrderedDict),
        st.builds(Point, inner, inner),
        st.builds(Ocean, inner, inner, st.sampled_from(["a", "b"])),
        st.builds(Frozen, inner),
    ),
    max_leaves=12,
)


@given(value)
def test_unflatten_undoes_flatten_with_the_same_types_and_the_same_leaves(tree: Any) -> None:
    leaves, structure = trees.flatten(tree)
    assert len(leaves) == structure.n_leaves
    assert same(structure.unflatten(leaves), tree)


@given(value)
def test_each_path_is_python_that_finds_its_leaf(tree: Any) -> None:
    leaves, structure = trees.flatten(tree)
    found = [eval(path, {"state": tree}) for path in structure.paths("state")]
    assert len(found) == len(leaves)
    assert all(one is two for one, two in zip(found, leaves, strict=True))


@given(value)
def test_a_structure_equals_that_of_the_same_value_with_other_leaves(tree: Any) -> None:
    leaves, structure = trees.flatten(tree)
    other = trees.flatten(structure.unflatten([0.0] * len(leaves)))[1]
    assert structure == other
    assert hash(structure) == hash(other)
    assert pickle.loads(pickle.dumps(structure)) == structure
    assert trees.difference(structure, other) is None


@given(value, value)
def test_flatten_like_accepts_exactly_what_has_no_difference(one: Any, two: Any) -> None:
    expected, found = trees.flatten(one)[1], trees.flatten(two)[1]
    text = trees.difference(expected, found, "state")
    if text is None:
        leaves = trees.flatten_like(expected, two, "state")
        assert [id(leaf) for leaf in leaves] == [
            id(eval(path, {"state": two})) for path in expected.paths("state")
        ]
    else:
        assert expected != found
        with pytest.raises(errors.StructureError) as caught:
            trees.flatten_like(expected, two, "state")
        assert text in str(caught.value)


def test_the_leaves_of_a_dict_come_in_the_order_of_insertion() -> None:
    leaves, structure = trees.flatten({"v": 1, "u": 2, 3: 4})
    assert leaves == [1, 2, 4]
    assert structure.paths("state") == ["state['v']", "state['u']", "state[3]"]
    assert list(structure.unflatten(leaves)) == ["v", "u", 3]


def test_a_dict_filled_in_another_order_is_matched_by_key() -> None:
    structure = trees.flatten({"u": 1, "v": (2, 3)})[1]
    assert trees.flatten_like(structure, {"v": (20, 30), "u": 10}) == [10, 20, 30]
    other = trees.flatten({"v": (2, 3), "u": 1})[1]
    assert structure != other  # their leaves don't fit one by one
    with pytest.raises(errors.StructureError, match="in another order"):
        trees.require_same(structure, other)


def test_none_and_empty_containers_hold_no_leaf() -> None:
    for empty in (None, (), [], {}, ((), {"a": None})):
        leaves, structure = trees.flatten(empty)
        assert leaves == []
        assert structure.paths() == []
        assert structure.unflatten([]) == empty


def test_a_leaf_is_recognised_by_its_type_and_not_by_its_class_attribute() -> None:
    traced = Traced()
    assert isinstance(traced, np.ndarray)
    assert trees.is_leaf(traced)
    assert trees.flatten((traced, ARRAY))[0] == [traced, ARRAY]


def test_a_dataclass_is_rebuilt_without_its_constructor() -> None:
    leaves, structure = trees.flatten(Converting(1.5))
    assert leaves == [1.5, 3.0]
    marker = object()
    rebuilt = structure.unflatten([marker, 7.0])
    assert type(rebuilt) is Converting
    assert rebuilt.a is marker
    assert rebuilt.twice == 7.0


def test_static_fields_belong_to_the_structure() -> None:
    north, south = trees.flatten(Ocean(1, 2))[1], trees.flatten(Ocean(1, 2, "south"))[1]
    assert north.paths("state") == ["state.height", "state.speed"]
    assert north != south
    assert north.unflatten([3, 4]) == Ocean(3, 4, "north")
    with pytest.raises(errors.StructureError, match=r"state has the static fields .*south"):
        trees.flatten_like(north, Ocean(1, 2, "south"), "state")


def test_an_unhashable_static_field_is_refused() -> None:
    with pytest.raises(errors.LeafError, match=r"static field of Ocean .* tuple"):
        trees.flatten(Ocean(1, 2, name=["a list"]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("a string", "captured variable"),
        (b"bytes", "captured variable"),
        (object(), "captured variable"),
        ({1.0, 2.0}, "captured variable"),
        (np.str_("text"), "neither an array"),
        (np.ma.masked_array([1.0]), r"np\.asarray"),
        (np.matrix([[1.0]]), r"np\.asarray"),
        (scipy.sparse.eye_array(2, format="csr"), r"x\.data"),
        (collections.defaultdict(list), r"dict\(x\)"),
        (np.array([None, 1]), "dtype=float"),
        (np.array(["a"]), "captured variable"),
        (np.zeros(2, [("a", float), ("b", int)]), "as a dict"),
        (np.array(["2000-01-01"], "M8[D]"), "seconds"),
        (np.timedelta64(1, "s"), "neither an array"),
    ],
)
def test_what_is_no_leaf_is_named_with_path_and_remedy(bad: Any, words: str) -> None:
    for tree, path in (
        (bad, "state"),
        ({"u": (ARRAY, bad)}, "state['u'][1]"),
        (Point(1, [Frozen(bad)]), "state.y[0].u"),
    ):
        with pytest.raises(errors.LeafError, match=words) as caught:
            trees.flatten(tree, "state")
        assert str(caught.value).startswith(path + " is a")
        assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    ("expected", "found", "words"),
    [
        (1, (1,), "state is a tuple of 1 instead of an array or a number"),
        ((1,), [1], "state is a list of 1 instead of a tuple of 1"),
        ((1, 2), (1, 2, 3), "state is a tuple of 3 instead of 2"),
        ({"u": 1}, {"v": 1}, "state lacks the key 'u' and has the key 'v'"),
        ({"u": {"a": [1]}}, {"u": {"a": [None]}}, "state['u']['a'][0] is None instead of an arr"),
        (Point(1, 2), (1, 2), "state is a tuple of 2 instead of a Point"),
        (Point(1, 2), None, "state is None instead of a Point"),
        ({1: 0}, collections.OrderedDict({1: 0}), "state is a OrderedDict instead of a dict"),
    ],
)
def test_the_first_difference_is_said_with_its_path(expected: Any, found: Any, words: str) -> None:
    structure = trees.flatten(expected)[1]
    with pytest.raises(errors.StructureError) as caught:
        trees.flatten_like(structure, found, "state")
    assert str(caught.value).startswith(words)
    with pytest.raises(errors.StructureError) as caught:
        trees.require_same(structure, trees.flatten(found)[1], "state")
    assert str(caught.value).startswith(words)


def test_a_container_that_holds_itself_is_refused() -> None:
    loop: list[Any] = [1.0]
    loop.append(loop)
    with pytest.raises(errors.StructureError, match="holds? itself"):
        trees.flatten(loop, "state")


def test_a_wrong_number_of_leaves_is_refused() -> None:
    structure = trees.flatten((1, {"a": 2}))[1]
    with pytest.raises(errors.StructureError, match=r"3 leaves were given .* holds 2"):
        structure.unflatten([1, 2, 3])


def test_map_applies_to_leaves_that_stand_in_one_place() -> None:
    result = trees.map(lambda x, y: x - y, {"u": 5, "v": (7, None)}, {"v": (3, None), "u": 1})
    assert result == {"u": 4, "v": (4, None)}


def test_paths_takes_a_value_or_its_structure() -> None:
    assert trees.paths([1, Point(2, 3)]) == ["state[0]", "state[1].x", "state[1].y"]
    assert trees.paths(trees.flatten([1])[1], "params") == ["params[0]"]


def test_the_repr_of_a_structure_shows_its_nesting() -> None:
    tree = {"u": (1,), "v": [Ocean(1, None)]}
    assert repr(trees.flatten(tree)[1]) == (
        "Structure({'u': (*,), 'v': [Ocean(height=*, speed=None)]})"
    )
