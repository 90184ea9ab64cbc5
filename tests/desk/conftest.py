from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from server.__main__ import app

Zhangban = Callable[..., Result]


@pytest.fixture
def config(installed_url: str, tmp_path: Path) -> Path:
    file = tmp_path / "zhangban.toml"
    file.write_text(f'data_dir = "{tmp_path}"\n[database]\nurl = "{installed_url}"\n')
    return file


@pytest.fixture
def zhangban(config: Path) -> Zhangban:
    """A command of the program, as it is typed, on an installation of its own."""

    def run(*words: str | Path) -> Result:
        result = CliRunner().invoke(app, [*map(str, words), "--config", str(config)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run
