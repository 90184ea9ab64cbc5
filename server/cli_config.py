"""`zhangban config init` writes a commented zhangban.toml; `zhangban config check` names every wrong line of one."""

import json
from collections.abc import Iterator
from datetime import time
from pathlib import Path
from typing import Annotated

import typer
from annotated_types import Ge, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from server.config_file import SettingsRefused
from server.setting_types import Section
from server.settings import DEFAULT_FILE, Settings, load

app = typer.Typer(help="配置文件 · The settings file.", no_args_is_help=True)

ConfigPath = Annotated[Path, typer.Argument(help="配置文件 · The file, zhangban.toml when not given.")]


@app.command()
def init(path: ConfigPath = DEFAULT_FILE) -> None:
    """写出带注释的配置文件，不覆盖已有文件 · Write a commented file; an existing one is never overwritten."""
    try:
        path.touch(mode=0o600, exist_ok=False)  # the passwords of carriers will stand in it
        path.write_text(template(), encoding="utf-8")
    except OSError as error:
        typer.echo(
            f"{path}：{'已存在 · exists already' if isinstance(error, FileExistsError) else error.strerror}", err=True
        )
        raise typer.Exit(1) from None
    typer.echo(f"{path}：已写出 · written")


@app.command()
def check(path: ConfigPath = DEFAULT_FILE) -> None:
    """逐行检查配置文件与环境变量 · Check the file and the environment; every wrong line is named."""
    try:
        load(path)
    except SettingsRefused as refused:
        for problem in refused.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{path}：OK")


def template() -> str:
    """The commented zhangban.toml, made of the settings' own descriptions and defaults."""
    blocks = [f"# {Settings.title}", *_entries(Settings, at="")]
    for name, field in Settings.model_fields.items():
        section = field.default
        if isinstance(section, Section):
            blocks += ["", f"# {section.title}", f"[{name}]", *_entries(type(section), at=name)]
    return "\n".join(blocks) + "\n"


def _entries(section: type[Section], *, at: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        if isinstance(field.default, Section):
            continue
        yield "# " + (field.description or "").replace("\n", "\n# ") + _range(field)
        if field.default == ():
            yield f"# {name} = []"
        elif isinstance(field.default, tuple) and isinstance(field.default[0], Section):
            for row in field.default:
                yield f"[[{at}.{name}]]"
                yield from (f"{key} = {_toml(value)}" for key, value in row)
        elif field.default is None:
            yield f'# {name} = ""'
        else:
            yield f"{name} = {_toml(field.default)}"


def _range(field: FieldInfo) -> str:
    low = next((limit.ge for limit in field.metadata if isinstance(limit, Ge)), None)
    high = next((limit.le for limit in field.metadata if isinstance(limit, Le)), None)
    return "" if low is None or high is None else f" ({low} – {high})"


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case time():
            return f'"{value:%H:%M}"'
        case tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case SecretStr():
            return _toml(value.get_secret_value())
        case _:
            return json.dumps(str(value), ensure_ascii=False)
