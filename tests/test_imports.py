"""Imports go one way, labelling loads nothing that trains, and each module has its test file."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import lanmu
import lanmu_training

MODEL, TRAINING = (Path(package.__file__).parent for package in (lanmu, lanmu_training))
TESTS = Path(__file__).parent
ORDER = [
    *("errors", "text", "documents", "whole_file", "words", "features", "topic_model"),
    "model_file",
    *("fragments", "language", "joins", "articles", "page", "page_html", "output"),
    *("rows", "shards", "parquet", "unfinished", "bulk", "workers", "cli"),
]
"""Each module of lanmu imports those before it alone; a new one takes its place here."""
SAVING = ("topic_model", "model_file")  # TopicModel.save imports its writer when it is called
READS_PAGES = ("joins",)  # which take scipy, once a page is read
HEAVY = {"sklearn", "scipy", "pandas", "matplotlib"}
NOTHING_TO_TEST = {"__init__", "errors", "progress"}  # names, an exception, a protocol


def modules(package):
    return sorted(file.relative_to(package).with_suffix("") for file in package.rglob("*.py"))


def imports(package, module):
    """Yield what a module imports, and whether it does so when it is itself imported."""

    def found(node, at_once):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name, at_once) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                assert child.level == 0, f"{module} imports {base} relatively"
                assert [alias.name for alias in child.names] != ["*"], f"{module} imports a star"
                for alias in child.names:
                    is_module = (
                        package.parent / base.replace(".", "/") / f"{alias.name}.py"
                    ).exists()
                    yield (f"{base}.{alias.name}" if is_module else base), at_once
            elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                yield from found(ast.Module(child.orelse, []), at_once)
            else:
                is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from found(child, at_once and not is_function)

    source = package / module.with_suffix(".py")
    yield from found(ast.parse(source.read_text(encoding="utf-8")), at_once=True)


def test_the_reader_of_imports_sees_them_all(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "sibling.py").touch()
    (tmp_path / "package" / "read.py").write_text(
        "import a.b, c\nfrom d import e\nfrom package import sibling, name\n"
        "if TYPE_CHECKING:\n    import hidden\nelse:\n    import shown\n"
        "try:\n    import tried\nexcept ImportError:\n    pass\n"
        "class C:\n    import inside\n    def f(self):\n        import late\n",
        encoding="utf-8",
    )
    assert list(imports(tmp_path / "package", Path("read"))) == [
        ("a.b", True),
        ("c", True),
        ("d", True),
        ("package.sibling", True),
        ("package", True),
        ("shown", True),
        ("tried", True),
        ("inside", True),
        ("late", False),
    ]


def test_lanmu_imports_lanmu_training_inside_functions_of_the_command_alone():
    found = {
        (str(module), at_once)
        for module in modules(MODEL)
        for name, at_once in imports(MODEL, module)
        if name.split(".")[0] == "lanmu_training"
    }
    assert found == {("cli", False)}


def test_every_module_of_lanmu_has_its_place_in_the_order():
    assert {str(module) for module in modules(MODEL)} == {"__init__", *ORDER}


@pytest.mark.parametrize("module", ORDER)
def test_a_module_of_lanmu_imports_earlier_ones_alone(module):
    for name, at_once in imports(MODEL, Path(module)):
        package, _, imported = name.partition(".")
        if package == "lanmu" and (at_once or (module, imported) != SAVING):
            assert imported in ORDER[: ORDER.index(module)], f"{module} imports {name}"


def test_what_trains_is_imported_by_no_module_of_lanmu():
    for module in modules(MODEL):
        for name, at_once in imports(MODEL, module):
            package = name.split(".")[0]
            late = package == "scipy" and not at_once and str(module) in READS_PAGES
            assert late or package not in HEAVY, f"{module} imports {name}"


@pytest.mark.parametrize("package", [MODEL, TRAINING], ids=lambda package: package.name)
def test_no_modules_import_each_other_in_a_circle(package):
    graph = {
        f"{package.name}.{module}": {name for name, at_once in imports(package, module) if at_once}
        for module in modules(package)
    }
    assert list(graphlib.TopologicalSorter(graph).static_order())


LABEL = "import lanmu; lanmu.load_model().label(['换热站昨日试水'])"  # the heat station is tried
COMMAND = (
    "import sys; sys.argv = ['lanmu', 'explain', '换热站']; from lanmu.cli import main; main()"
)


@pytest.mark.parametrize("code", [LABEL, COMMAND], ids=["package", "command"])
def test_labelling_loads_nothing_that_trains(code):
    code += "\nimport sys; print(*sys.modules, file=sys.stderr)"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, encoding="utf-8"
    )
    modules = set(ran.stderr.split())
    assert "lanmu.topic_model" in modules
    assert modules.isdisjoint({"lanmu.page", "lanmu.page_html", "lanmu.joins"})
    loaded = {name.split(".")[0] for name in modules}
    assert "lanmu" in loaded
    assert loaded.isdisjoint(HEAVY | {"lanmu_training", "joblib", "pyarrow", "distributed"})


@pytest.mark.parametrize(("package", "folder"), [(MODEL, "model"), (TRAINING, "training")])
def test_each_module_has_its_test_file(package, folder):
    names = {module.name for module in modules(package)} - NOTHING_TO_TEST
    tested = {file.stem.removeprefix("test_") for file in (TESTS / folder).rglob("test_*.py")}
    assert names - tested == set()


@pytest.mark.parametrize("package", [lanmu, lanmu_training], ids=lambda package: package.__name__)
def test_the_public_names_are_there(package):
    for name in package.__all__:
        assert getattr(package, name).__module__.startswith(package.__name__)
