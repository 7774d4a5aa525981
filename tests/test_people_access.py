"""Who may come in: a token is shown once, kept as a hash, and good for as long and as often as was said."""

import hmac
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from people_at_work import Clock, fresh, project_of, server, someone, sound

from tuneset.errors import RecipeError
from tuneset.people import access, leaving, projects, tables
from tuneset.people.access import Invite
from tuneset.people.database import MissingError, RefusedError, digest, open_database
from tuneset.people.projects import Person


@pytest.fixture(scope="module")
def postgresql():
    with server() as uri:
        yield uri


@pytest.fixture(params=["sqlite", "postgresql"])
def db(request, tmp_path):
    local = request.param == "sqlite"
    opened = open_database(tmp_path / "people.db" if local else fresh(request.getfixturevalue("postgresql")), Clock())
    yield opened
    opened.close()


@pytest.fixture
def file(tmp_path):
    opened = open_database(tmp_path / "people.db", Clock())
    yield opened
    opened.close()


def everything(db):
    with db.read() as tx:
        return str([tuple(row) for table in tables.META.sorted_tables for row in tx.all(sa.select(table))])


def test_an_invitation_leads_in_as_often_as_it_says_and_with_its_role(file):
    project, _ = project_of(file)
    token = access.invite(file, project, Invite(role="writer", max_uses=2, quota_cell="region=north"))
    assert access.look_at(file, token) == project
    people = [access.join(file, token, name) for name in ("Ann", "Ben")]
    assert people[0] != people[1]
    with file.read() as tx:
        rows = [access.member(tx, person) for person in people]
    assert [(row.role, row.quota_cell) for row in rows] == [("writer", "region=north")] * 2
    assert access.look_at(file, token) is None
    with pytest.raises(MissingError, match="no good"):
        access.join(file, token, "Cid")
    sound(file, project)


@pytest.mark.parametrize("how", ["expired", "revoked", "guessed", "used"])
def test_an_invitation_that_is_no_good_is_refused_in_the_same_words_whatever_is_wrong_with_it(file, how):
    project, _ = project_of(file)
    token = access.invite(file, project, Invite(days=1))
    if how == "expired":
        file.clock.now += 86_401
    elif how == "revoked":
        with file.read() as tx:
            name = tx.one(sa.select(tables.invite.c.id).where(tables.invite.c.token_hash == digest(token))).id
        access.revoke_invite(file, project, name)
    elif how == "used":
        access.join(file, token, "Ann")
    with pytest.raises(MissingError) as said:
        access.join(file, "x" * 43 if how == "guessed" else token, "Ben")
    assert said.value.args == ("this invitation is no good (any more)", "invitation", "ask for a new one")


def test_the_last_use_of_an_invitation_is_given_once_however_many_come(db):
    project, _ = project_of(db, people=0)
    token = access.invite(db, project, Invite(max_uses=2))

    def come(n):
        try:
            return access.join(db, token, f"person {n}")
        except MissingError:
            return None

    with ThreadPoolExecutor(6) as pool:
        came = [each for each in pool.map(come, range(6)) if each]
    assert len(came) == len(set(came)) == 2


def test_a_lead_invites_annotators_and_only_an_owner_invites_owners(file):
    project, (person, _, _) = project_of(file)
    lead, owner = (someone(file, project, role=role) for role in ("lead", "owner"))
    access.invite(file, project, Invite(), by=lead.contributor)
    access.invite(file, project, Invite(role="owner"), by=owner.contributor)
    for asks, by in ((Invite(role="owner"), lead), (Invite(), person)):
        with pytest.raises(access.NotAllowedError):
            access.invite(file, project, asks, by=by.contributor)
    with pytest.raises(RecipeError, match="unknown role"):
        access.invite(file, project, Invite(role="annotater"))


def test_a_way_back_in_leads_to_the_person_who_is_known(file):
    project, (person, _, _) = project_of(file)
    token = access.invite(file, project, Invite(), contributor=person.contributor)
    assert access.join(file, token, "another name") == person


def test_every_login_has_a_token_of_its_own_and_one_that_was_made_up_is_never_taken(file):
    _, (person, _, _) = project_of(file)
    tokens = [access.log_in(file, person.contributor, hours=1) for _ in range(3)]
    assert len(set(tokens)) == 3
    assert {access.who(file, token) for token in tokens} == {person.contributor}
    assert access.who(file, "fixed-beforehand") is None
    access.log_out(file, tokens[0])
    assert [access.who(file, token) for token in tokens] == [None, person.contributor, person.contributor]
    file.clock.now += 3_500
    assert access.who(file, tokens[1]) == person.contributor
    file.clock.now += 101
    assert access.who(file, tokens[1]) is None
    fresh_token = access.log_in(file, person.contributor)
    access.log_out_everywhere(file, person.contributor)
    assert access.who(file, fresh_token) is None


def test_an_api_token_may_do_what_its_scopes_say_in_its_project_until_it_ends(file):
    project, _ = project_of(file)
    other, _ = project_of(file)
    lead = someone(file, project, role="lead")
    token = access.new_api_token(file, lead, "nightly", ["add", "read"], days=1)
    assert access.api_user(file, project, token, "add") == lead
    with pytest.raises(access.NotAllowedError, match="may not label"):
        access.api_user(file, project, token, "label")
    with pytest.raises(MissingError):
        access.api_user(file, other, token, "add")
    with pytest.raises(RecipeError, match="unknown scope"):
        access.new_api_token(file, lead, "x", ["everything"])
    file.clock.now += 86_401
    with pytest.raises(MissingError):
        access.api_user(file, project, token, "add")
    second = access.new_api_token(file, lead, "nightly", ["add"])
    access.set_member(file, lead, "lead", state="removed")
    with pytest.raises(MissingError):
        access.api_user(file, project, second, "add")


def test_no_token_is_stored_or_looked_up_and_what_is_compared_is_its_digest_in_constant_time(file, monkeypatch):
    project, _ = project_of(file)
    lead = someone(file, project, role="lead")
    compared, asked = [], []
    real = hmac.compare_digest

    def spy(one, other):
        compared.append((one, other))
        return real(one, other)

    @sa.event.listens_for(file.engine, "before_cursor_execute")
    def keep(*given):
        asked.append(str(given[3]))

    tokens = [
        access.invite(file, project, Invite(max_uses=5)),
        access.log_in(file, lead.contributor),
        access.new_api_token(file, lead, "x", ["read"]),
    ]
    monkeypatch.setattr(hmac, "compare_digest", spy)
    access.join(file, tokens[0], "Ann")
    access.who(file, tokens[1])
    access.api_user(file, project, tokens[2], "read")
    assert compared == [(digest(token), digest(token)) for token in tokens]
    assert all(len(each) == 64 for pair in compared for each in pair)
    stored = everything(file)
    for token in tokens:
        assert len(token) == 43  # 256 bits
        assert token not in stored
        assert not any(token in each for each in asked)
    assert access.same("a", digest("a"))
    assert not access.same("a", digest("b"))


def test_consent_is_asked_for_each_version_once(file):
    project, (person, _, _) = project_of(file)
    assert access.consent_wanted(file, person) is None
    words = {"markdown": "You agree …", "licence": "CC-BY-4.0", "retention": "2 years"}
    assert projects.publish(file, project, "consent_text", words) == 1
    assert access.consent_wanted(file, person) == 1
    access.give_consent(file, person, 1)
    access.give_consent(file, person, 1)
    assert access.consent_wanted(file, person) is None
    projects.publish(file, project, "consent_text", words | {"retention": "3 years"})
    assert access.consent_wanted(file, person) == 2
    with pytest.raises(MissingError):
        access.give_consent(file, person, 3)
    with file.read() as tx:
        assert projects.published(tx, project, "consent_text", 1)["retention"] == "2 years"
    sound(file, project)


def test_what_people_say_of_themselves_is_theirs_to_give_and_to_take_back_and_in_no_event(file):
    project, (person, other, _) = project_of(file)
    access.ask_attribute(file, project, "region", ["north", "south"])
    access.about(file, person, {"region": "south"})
    access.about(file, other, {"region": "north"})
    access.ask_attribute(file, project, "region", ["north", "south", "abroad"])  # while answers are there
    with pytest.raises(RefusedError):
        access.about(file, person, {"region": "moon"})
    with pytest.raises(MissingError):
        access.about(file, person, {"age": "30"})
    access.about(file, other, {"region": None})
    assert access.attributes(file, project).rows() == [(person.contributor, "region", "south")]
    with file.read() as tx:
        assert '"south"' not in str([row.after for row in tx.all(sa.select(tables.event)) if row.actor])


def test_a_person_of_two_projects_who_leaves_one_stays_in_the_other(file):
    project, (person, _, _) = project_of(file)
    second = projects.create(file, "another", "write", by=person.contributor)
    session = access.log_in(file, person.contributor)
    assert access.projects_of(file, person.contributor)["role"].to_list() == ["owner", "annotator"]
    leaving.withdraw(file, person)
    assert access.projects_of(file, person.contributor)["project"].to_list() == [second]
    assert access.who(file, session) == person.contributor
    leaving.withdraw(file, Person(second, person.contributor))
    assert access.who(file, session) is None
    assert "person 0" not in everything(file)
    sound(file, project)
