"""What the layout promises: imports run one way, stubs are those of the contracts, nothing names a machine."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "flan_shared": ROOT / "shared" / "flan_shared",
    "flan_datagen": ROOT / "services" / "datagen" / "flan_datagen",
    "flan_trainer": ROOT / "services" / "trainer" / "flan_trainer",
    "flan_evaluator": ROOT / "services" / "evaluator" / "flan_evaluator",
    "flan_cli": ROOT / "cli" / "flan_cli",
}


def imported(path: Path) -> set[str]:
    """Top-level packages that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_itself_and_what_is_shared(package):
    allowed = {package, "flan_shared"}
    modules = list(PACKAGES[package].rglob("*.py"))
    assert modules
    for module in modules:
        assert imported(module) & set(PACKAGES) <= allowed, module


def test_datagen_and_the_command_do_without_jax():
    for module in ("flan_datagen.__main__", "flan_cli.main"):
        code = f"import sys, {module}; sys.exit('jax' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code]).returncode == 0, module


def test_stubs_are_those_of_the_contracts(tmp_path):
    protos = sorted((ROOT / "proto").rglob("*.proto"))
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT / 'proto'}", *outputs, *map(str, protos)],
        check=True,
    )
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.py*")}
    stubs = ROOT / "shared"
    kept = {path: (stubs / path).read_text() if (stubs / path).exists() else None for path in made}
    assert made == kept, "run `make proto`"


def test_every_message_and_field_of_the_contracts_has_a_comment():
    for proto in (ROOT / "proto").rglob("*.proto"):
        before = ""
        for line in proto.read_text().splitlines():
            words = line.split()
            declares = words and (
                words[0] in ("message", "service", "rpc", "enum")
                or (line.rstrip().endswith(";") and "=" in words)
            )
            if declares and words[0] not in ("syntax", "option"):
                assert before.strip().startswith("//"), f"{proto.name}: {line.strip()}"
            before = line
