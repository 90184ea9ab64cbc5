"""How `make chaos` ends when one of its two processes does not."""

import sys

from tests.chaos import __main__ as chaos


async def test_a_process_that_is_killed_is_no_success(monkeypatch, tmp_path):
    killed = tmp_path / "python"
    killed.write_text('#!/bin/sh\ncase "$*" in *postgres*) kill -9 $$ ;; esac\n')
    killed.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(killed))
    assert await chaos._both("", 1, 1.0) == 1
