"""The table of what is done when nobody got a text, read as a jurist reads it."""

from itertools import chain as joined

import pytest

from alerts.fallback import BY_CLASS, BY_TEMPLATE, NOTHING, Way, chain_of
from alerts.policy import POLICY
from alerts.templates import SEE_THE_SYSTEM, TEMPLATES
from alerts.texts import MessageClass

WARNED = (Way.SECOND_PHONE, Way.MAIL, Way.DUTY)


def of(number: str):
    return chain_of(TEMPLATES[number].id, TEMPLATES[number].message_class)


@pytest.mark.parametrize("number", ["T02", "T03", "T04", "T05", "T06", "T20", "T28"])
def test_a_warning_that_did_not_arrive_goes_every_way_there_is(number):
    assert of(number).officer == WARNED
    assert of(number).public == ()


@pytest.mark.parametrize("number", ["T09", "T10", "T11", "T12", "T13", "T14", "T15", "T17", "T25", "T30", "T31", "T32"])
def test_what_the_law_has_an_applicant_told_is_told_on_paper(number):
    assert of(number).public == (Way.ON_PAPER,)


def test_red_lights_and_cards_stand_on_supervisions_list_and_nothing_else_does():
    assert {number for number in TEMPLATES if of(number).supervised} == {"T03", "T05", "T06", "T44", "T45"}


def test_answers_and_codes_that_somebody_asked_for_are_asked_for_again():
    assert all(of(number) == NOTHING for number, template in TEMPLATES.items() if template.is_reply)


def test_the_last_way_has_no_way_after_it_so_no_chain_comes_back():
    assert of("T35") == NOTHING
    for row in joined(BY_CLASS.values(), BY_TEMPLATE.values()):
        for ways in (row.officer, row.public):
            assert len(set(ways)) == len(ways)
            assert Way.DUTY not in ways[:-1]


def test_the_table_names_only_templates_that_exist_and_what_is_said_in_general_has_a_row():
    assert BY_TEMPLATE.keys() <= TEMPLATES.keys()
    assert {line.template for line in POLICY} <= TEMPLATES.keys()
    assert chain_of(SEE_THE_SYSTEM[MessageClass.WARNING].id, MessageClass.WARNING).officer == WARNED
