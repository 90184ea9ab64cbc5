"""The first story in both topologies, by the one switch: the same steps hold where two zones share only a folder.

What the story is, and that it holds in one network: test_demo.
"""

import pytest

from tests.scenarios.test_demo import LEADER, demo, is_the_whole_story, texts_to


@pytest.mark.timeout(400)
@pytest.mark.feature("FERRY-02")
async def test_the_same_story_holds_in_one_network_and_in_two_that_share_only_a_folder():
    code, isolated = await demo("--zones")
    assert is_the_whole_story(code, isolated)
    assert "存证号" in texts_to(isolated, LEADER)
    # Every text left by the outer zone's carrier, every act went in, every state came out; and each has its age.
    crossed = {(crossing["type"], crossing["to"]) for crossing in isolated["crossings"]}
    assert {("act.do", "inner"), ("act.done", "outer"), ("act.file", "inner"), ("state.case", "outer"),
            ("text.send", "outer"), ("text.report", "inner"), ("text.arrived", "inner")} <= crossed  # fmt: skip
    assert all(-1 < crossing["age_s"] < 90 for crossing in isolated["crossings"])
