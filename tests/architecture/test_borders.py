"""The walls of the house: borders between apps, floors inside them, no floats, no clocks."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = sorted(path.name for path in (ROOT / "apps").iterdir() if (path / "apps.py").exists())
FRONT_DOORS = {"services", "selectors", "domain"}
DOORS = {"api", "web", "admin", "tasks", "management"}
# What a door may use of accounts: who is asking is not a question of the domain.
PUBLIC_DOORS = {("accounts", "web"), ("accounts", "api"), ("tenants", "middleware")}
DOORS_AND_MIDDLEWARE = DOORS | {"middleware"}


def sources(*parts: str) -> list[Path]:
    return [
        path
        for path in sorted((ROOT.joinpath(*parts)).rglob("*.py"))
        if "migrations" not in path.parts
    ]


def imports_of(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def floor_of(path: Path, app: str) -> str:
    return path.relative_to(ROOT / "apps" / app).parts[0].removesuffix(".py")


@pytest.mark.parametrize("app", [app for app in APPS if app != "core"])
def test_other_apps_are_entered_by_their_front_door(app: str) -> None:
    trespasses = []
    for path in sources("apps", app):
        for name in imports_of(path):
            match = re.match(r"apps\.(\w+)\.(\w+)", name)
            if not match or match[1] in (app, "core"):
                continue
            if match[2] in FRONT_DOORS:
                continue
            if (match[1], match[2]) in PUBLIC_DOORS and floor_of(path, app) in DOORS_AND_MIDDLEWARE:
                continue
            if match[2] == floor_of(path, app) == "sql":  # guards that migrations share
                continue
            trespasses.append(f"{path.relative_to(ROOT)} imports {name}")
    assert trespasses == []


@pytest.mark.parametrize("app", APPS)
def test_services_do_not_know_doors(app: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("apps", app)
        if floor_of(path, app) in {"services", "selectors", "models", "domain", "adapters"}
        for name in imports_of(path)
        if re.match(rf"apps\.\w+\.({'|'.join(DOORS)})\b", name)
    ]
    assert wrong == []


def domain_files() -> list[Path]:
    return [path for path in sources("apps") if "domain" in path.parts]


def test_no_float_in_domain() -> None:
    """Floats are unknown there, but to `isinstance`, which refuses them."""
    wrong = []
    for path in domain_files():
        tree = ast.parse(path.read_text())
        refusals = {
            id(name)
            for call in ast.walk(tree)
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "isinstance"
            for name in ast.walk(call)
        }
        for node in ast.walk(tree):
            literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            name = isinstance(node, ast.Name) and node.id == "float" and id(node) not in refusals
            if literal or name:
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert wrong == []


CLOCK = re.compile(r"\b(timezone\.now|datetime\.now|datetime\.utcnow|date\.today|time\.time)\(")


def test_only_doors_read_the_clock() -> None:
    allowed = DOORS | {"middleware"}
    wrong = [
        str(path.relative_to(ROOT))
        for path in sources("apps")
        if path.relative_to(ROOT / "apps").parts[1:2]
        and path.relative_to(ROOT / "apps").parts[1].removesuffix(".py") not in allowed
        and CLOCK.search(path.read_text())
    ]
    assert wrong == []


def test_raw_connection_is_never_touched() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in [*sources("apps"), *sources("finops_platform"), *sources("celery_worker")]
        if re.search(r"\bconnection\.connection\b", path.read_text())
    ]
    assert wrong == []


# Tasks of the shared schema: they have no tenant.
SHARED_TASKS = {"sync_prices"}


def test_every_task_names_its_schema() -> None:
    wrong = []
    for path in sources("apps"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            decorators = {ast.unparse(item).split("(")[0] for item in node.decorator_list}
            if not decorators & {"shared_task", "app.task"} or node.name.endswith("_everywhere"):
                continue
            if node.name in SHARED_TASKS:
                continue
            names = [argument.arg for argument in node.args.kwonlyargs]
            positional = [a.arg for a in node.args.args if a.arg != "self"]
            if positional or names[:1] != ["schema"]:
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert wrong == []


def test_every_command_has_a_test() -> None:
    texts = "\n".join(path.read_text() for path in sources("tests"))
    commands = [
        path.stem
        for path in [*sources("apps"), *sources("finops_platform")]
        if path.parent.name == "commands" and path.stem != "__init__"
    ]
    missing = [
        name
        for name in commands
        if not re.search(rf"call_command\(\s*\"{name}\"", texts)
        and f"manage.py {name}" not in texts
        and f'"{name}"' not in texts
    ]
    assert missing == []
