"""How `make chaos` ends when one of its two processes does not."""

import sys

import pytest

from tests.chaos import __main__ as chaos


async def test_a_process_that_is_killed_is_no_success(monkeypatch, tmp_path):
    killed = tmp_path / "python"
    killed.write_text('#!/bin/sh\ncase "$*" in *postgres*) kill -9 $$ ;; esac\n')
    killed.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(killed))
    assert await chaos._both(chaos.DIALECTS, "", 1, 1.0) == 1


def test_words_that_name_no_bad_day_are_refused_and_the_names_told(monkeypatch, capsys):
    """It ended well, for nothing had gone wrong."""
    for words in (("--only", "NOTHING"), ("--only", "database locked", "--database", "postgres")):
        monkeypatch.setattr(sys, "argv", ["chaos", *words])
        with pytest.raises(SystemExit) as refused:
            chaos.main()
        assert refused.value.code == 2
        assert "kill -9 at random moments" in capsys.readouterr().err
