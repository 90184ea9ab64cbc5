"""The documents say what is so: links lead somewhere, commands exist, decisions are listed, diagrams hold something."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.main import get_command

from server.__main__ import app
from server.settings import Settings
from tests.contracts.sources import PACKAGES, ROOT, texts

PAGES = {path: text for path, text in texts() if path.suffix == ".md"}
READMES = (Path("README.md"), Path("README.zh-CN.md"))
DECISIONS = Path("docs/adr")
DIAGRAMS = ("graph", "sequenceDiagram", "stateDiagram", "classDiagram")


def page(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


# ---------------------------------------------------------------------------------------------------------- links
def links(text: str) -> Iterator[str]:
    """Targets of links and pictures, outside of code."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
    yield from re.findall(r"\]\(([^)\s]+)\)", prose)


def anchors(text: str) -> set[str]:
    """The names of a page's headings, as hosts of repositories make them."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", sorted(PAGES), ids=str)
def test_every_link_inside_the_project_leads_somewhere(path: Path):
    for link in links(PAGES[path]):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (ROOT / path.parent / file).resolve() if file else ROOT / path
        assert target.exists(), f"{path} links to {link}"
        assert target.is_relative_to(ROOT), f"{path} links out of the project: {link}"
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), f"{path} links to {link}"


def test_every_page_is_linked_from_another():
    """A page that nobody can find is not a document."""
    linked = {
        (ROOT / path.parent / link.partition("#")[0]).resolve()
        for path, text in PAGES.items()
        for link in links(text)
        if not re.match(r"[a-z]+:", link)
    }
    for path in PAGES:
        if path.parts[0] == "docs":
            assert (ROOT / path).resolve() in linked, f"nothing links to {path}"


# ------------------------------------------------------------------------------------------------------- commands
PROGRAM = get_command(app)


def commands(text: str) -> Iterator[list[str]]:
    """The words after `zhangban` wherever a page shows it as a command."""
    code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, flags=re.DOTALL))
    for call in re.findall(r"(?<![\w.-])zhangban ([a-z][^`#\n|]*)", code):
        yield call.split()


def called(words: list[str]) -> tuple[str, list[str]]:
    """The command that `words` name, and the options given to it. Fails when there is no such command."""
    command, names, rest = PROGRAM, [], list(words)
    while hasattr(command, "commands"):
        assert rest, f"zhangban {' '.join(words)}: which one?"
        assert rest[0] in command.commands, f"there is no command zhangban {' '.join(words)}"
        command = command.commands[rest[0]]
        names.append(rest.pop(0))
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    options = [word for word in rest if word.startswith("--")]
    assert set(options) <= known, f"zhangban {' '.join(words)}: no such option"
    return " ".join(names), options


def every_command() -> set[str]:
    def below(name: str, command: object) -> Iterator[str]:
        inner = getattr(command, "commands", None)
        if not inner:
            yield name
            return
        for each, found in inner.items():
            yield from below(f"{name} {each}".strip(), found)

    return set(below("", PROGRAM))


@pytest.mark.parametrize("path", sorted(PAGES), ids=str)
def test_every_command_that_a_page_shows_exists(path: Path):
    for words in commands(PAGES[path]):
        called(words)


@pytest.mark.parametrize("path", READMES, ids=str)
def test_the_readme_shows_every_command(path: Path):
    assert {called(words)[0] for words in commands(page(path))} >= every_command()


def test_every_make_target_that_a_page_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", page(Path("Makefile")), re.MULTILINE))
    for path, text in PAGES.items():
        for code in re.findall(r"```.*?```|`[^`\n]+`", text, flags=re.DOTALL):
            for target in re.findall(r"(?:^|`)make ([a-z-]+)", code, re.MULTILINE):
                assert target in targets, f"{path}: make {target}"


def test_both_readmes_show_the_same():
    """Commands without their comments, pictures, and the packages of the map, in the same order."""
    english, chinese = (page(path) for path in READMES)
    assert [*commands(english)] == [*commands(chinese)]
    pattern = re.compile(r"^\| (`[a-z_` ·]+`) \|", re.MULTILINE)
    assert pattern.findall(english) == pattern.findall(chinese)
    pictures = re.compile(r"\]\((docs/\S+\.svg)\)")
    assert pictures.findall(english) == pictures.findall(chinese) != []


# ------------------------------------------------------------------------------------------------- what they name
@pytest.mark.parametrize("path", READMES, ids=str)
def test_the_map_names_every_package(path: Path):
    rows = re.findall(r"^\| (`[a-z_` ·]+`) \|", page(path), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)} == set(PACKAGES)


def test_every_file_that_a_page_names_exists():
    for path, text in PAGES.items():
        for name in re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|toml|svg|yaml|graphql))`", text):
            assert any((base / name).exists() for base in (ROOT, ROOT / path.parent)), f"{path} names {name}"


def test_every_setting_that_a_page_names_exists():
    sections = {name: field.default for name, field in Settings.model_fields.items() if hasattr(field.default, "title")}
    for path, text in PAGES.items():
        named = [(section.lower(), key.lower()) for section, key in re.findall(r"ZHANGBAN_([A-Z]+)__([A-Z_]+)", text)]
        if path.name != "roles.md":  # names acts, whose tags look like settings
            named += re.findall(rf"`({'|'.join(sections)})\.([a-z_]+)(?: =[^`]*)?`", text)
        for section, key in named:
            assert key in type(sections[section]).model_fields, f"{path} names {section}.{key}"


# ------------------------------------------------------------------------------------------------------ decisions
def decisions() -> list[Path]:
    return sorted(path for path in PAGES if path.parent == DECISIONS and path.name != "README.md")


def test_decisions_are_numbered_without_gaps_and_listed_with_their_titles():
    listed = re.findall(r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \|$", page(DECISIONS / "README.md"), re.MULTILINE)
    found = []
    for path in decisions():
        number, _, title = PAGES[path].splitlines()[0].removeprefix("# ").partition(". ")
        found.append((f"{int(number):04d}", path.name, title))
    assert listed == found
    assert [number for number, _, _ in found] == [f"{n:04d}" for n in range(1, len(found) + 1)]
    assert all(name.startswith(f"{number}-") for number, name, _ in found)


@pytest.mark.parametrize("path", decisions(), ids=lambda path: path.stem[:4])
def test_a_decision_is_one_screen_and_its_title_a_sentence(path: Path):
    text = PAGES[path]
    title = text.splitlines()[0].partition(". ")[2]
    assert len(title.split()) >= 4, f"{title!r} is a topic; say what was decided"
    assert title[0].isupper()
    assert title[-1].isalnum()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences", "Alternatives"]
    assert text.count("\n") <= 40


# ------------------------------------------------------------------------------------------------------- pictures
def test_every_diagram_holds_something_and_is_followed_by_words():
    for path, text in PAGES.items():
        for body, after in re.findall(r"```mermaid\n(.*?)```\n(.*?)\n", text, flags=re.DOTALL):
            kind, *lines = body.split("\n")
            assert kind.split()[0] in DIAGRAMS, path
            assert any(line.strip() for line in lines), path
            assert re.match(r"[\w`*]", after), f"{path}: say in a line what the diagram shows"


def test_the_picture_of_the_story_is_sound_and_complete_in_itself():
    picture = ElementTree.fromstring(page(Path("docs/story.svg")))
    words = "".join(picture.itertext())
    for word in ("申请", "三级审批", "黄灯", "红灯", "短信发牌", "短信查询", "apply", "signed", "overdue"):
        assert word in words
    assert not [each for each in picture.iter() if each.tag.endswith(("image", "script", "foreignObject"))]
