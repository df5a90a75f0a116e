"""Linkage: the same found in spite of spelling, nothing that differs merged, and bounded work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.base import linkage
from assets.base.linkage import CONDITIONS, LinkageError, link, prepare
from assets.base.linkage_blocking import PAIR, candidates, form_column, random_pairs, rules
from assets.base.linkage_estimate import posterior
from assets.base.spellings import coded, forms
from benchmarks import linkage as measured
from catalog.elements.check_digits import credit_check
from catalog.linkage_model import FORMS, LEVELS, Kind, LinkageModel, Unique, load_model, reviewed_models
from catalog.load import CatalogueError
from tests.assets.ingest.conftest import real_file  # noqa: F401 (a fixture of the tests of readers)
from tests.assets.small_lake import resident

PEOPLE = LinkageModel.model_validate(
    {
        "key": "id",
        "columns": {"name": "person_name", "born": "date", "phone": "phone", "address": "address"},
        "unique": "both",
    }
)


def exact(kind: Kind, *cells: str | None) -> list[str | None]:
    column = pl.DataFrame({"x": pl.Series(cells, dtype=pl.String)})
    return column.select(forms(kind, pl.col("x"))["exact"]).to_series().to_list()


@pytest.mark.parametrize(
    ("kind", "spellings"),
    [
        (Kind.PERSON_NAME, ("張曉東", "张晓东", "张 晓 东", " 张晓东")),
        (Kind.PERSON_NAME, ("阿依古丽·买买提", "阿依古丽•买买提", "阿依古丽 买买提")),
        (Kind.PERSON_NAME, ("Müller, Jörg", "jorg MULLER", "JÖRG  MÜLLER")),
        (
            Kind.ORGANISATION_NAME,
            ("清远市（鸿运）食品有限公司", "清远市(鸿運)食品有限公司", "清远市鸿运食品有限公司〓"),
        ),
        (Kind.DATE, ("1999-03-08", "1999年3月8日", "19990308", "8/3/1999", "1999/3/8 00:00")),
        (Kind.PHONE, ("13812345678", "+86 138-1234-5678", "1381234 5678")),
        (Kind.SEX, ("男", "1", "M", "male")),
        (Kind.CODE, ("44182119900101001x", "44182119900101001X", "441821 1990 0101 001X")),
        (Kind.CREDIT_CODE, ("91441802x192887107", "91441802X192887107", "91441802 X1928871 07")),
        (Kind.NUMBER, ("1,200", "1200", "1200.0", "1200元")),
        (Kind.ADDRESS, ("清城區静福路12号", "清城区静福路１２号", "清城区 静福路12号")),
    ],
)
def test_spellings_of_one_value_are_equal(kind: Kind, spellings: tuple[str, ...]) -> None:
    assert len(set(exact(kind, *spellings))) == 1


def test_a_cell_of_several_names_is_a_set() -> None:
    cells = ["張伟、李 芳", "李芳，张伟", "李芳;张伟", "张伟/李芳", "Müller, Jörg; Lee Anna", "、"]
    chinese, latin = ["张伟", "李芳"], ["anna lee", "jorg muller"]
    assert exact(Kind.PERSON_NAMES, *cells) == [*[chinese] * 4, latin, None]


@pytest.mark.parametrize("kind", list(Kind))
def test_nothing_is_no_value(kind: Kind) -> None:
    assert exact(kind, None, "", "NULL", "  ") == [None] * 4


@pytest.mark.parametrize("kind", list(Kind))
@given(cells=st.lists(st.text(max_size=40) | st.none(), min_size=1, max_size=30))
@settings(deadline=None, max_examples=8)  # a form is dear to make ready, and cheap for many texts
def test_any_text_has_forms(kind: Kind, cells: list[str | None]) -> None:
    frame = pl.DataFrame({"x": pl.Series(cells, dtype=pl.String)})
    assert frame.select(**forms(kind, pl.col("x"))).height == len(cells)


def test_a_chinese_character_counts_as_two_bytes() -> None:
    frame = pl.DataFrame({"x": ["张三a", "李三a"]}).select(coded(pl.col("x"))).to_series()
    assert [len(text.encode()) for text in frame] == [5, 5]
    assert frame[0][2:] == frame[1][2:]
    assert not set(frame[0][:2]) & set(frame[1][:2])


def test_every_kind_is_compared_and_blocked_by_forms_it_has() -> None:
    column = pl.DataFrame({"x": ["a"]})
    for kind in Kind:
        made = set(column.select(**forms(kind, pl.col("x"))).columns)
        assert set(FORMS[kind]) <= made
        assert [*CONDITIONS[kind], "else"] == [*LEVELS[kind]]


def population(count: int = 300) -> pl.DataFrame:
    """People of common names, each with a birth date, a telephone and an address of their own."""
    rng = np.random.default_rng(1)
    names = [a + b + c for a in "王李张刘陈" for b in "晓建国文" for c in "东明华芳伟"]
    return pl.DataFrame(
        {
            "id": [f"P{n}" for n in range(count)],
            "name": rng.choice(names, count),
            "born": [f"{1940 + n % 70}-{1 + n % 12:02}-{1 + n % 28:02}" for n in range(count)],
            "phone": [str(13_000_000_000 + 7919 * n) for n in range(count)],
            "address": [f"清远市清城区第{n % 40}路{n}号" for n in range(count)],
        }
    )


def test_records_are_found_in_spite_of_spelling() -> None:
    right = population()
    left = right.head(60).with_columns(
        pl.format("L{}", "id").alias("id"),
        pl.col("name").str.replace_many({"晓": "小", "国": "國", "华": "華"}),
        pl.when(pl.col("id").str.ends_with("3")).then(None).otherwise("phone").alias("phone"),
        pl.col("born").str.replace(r"^(\d{4})-(\d\d)-(\d\d)$", "${1}年${2}月${3}日"),
    )
    found = link(PEOPLE, left, right).pairs.filter(decision="link")
    assert set(found.select("left", "right").rows()) == {(f"LP{n}", f"P{n}") for n in range(60)}


def test_one_file_against_itself_gives_each_pair_once() -> None:
    people = population(100)
    twice = pl.concat([people, people.head(10).with_columns(pl.format("D{}", "id").alias("id"))])
    model = PEOPLE.model_copy(update={"unique": Unique.NEITHER})
    pairs = link(model, twice).pairs.filter(decision="link")
    assert set(pairs.select("left", "right").rows()) == {(f"P{n}", f"DP{n}") for n in range(10)}


def test_two_people_as_likely_as_each_other_are_left_to_a_steward() -> None:
    right = population()
    twin = right.head(1).with_columns(pl.lit("TWIN").alias("id"))
    left = right.head(1).with_columns(pl.lit("L").alias("id"))
    pairs = link(PEOPLE, left, pl.concat([right, twin])).pairs
    assert pairs["decision"].to_list() == ["review"] * pairs.height
    assert pairs["probability"].sum() <= 1


def test_a_branch_is_not_its_company() -> None:
    model = LinkageModel.model_validate(
        {"key": "id", "columns": {"name": "organisation_name", "address": "address"}, "unique": "right"}
    )
    words = [
        a + b
        for a in "鸿恒兴北凤粤华瑞金百天永新盛南东西安和祥"
        for b in "运达隆江城丰源顺成泰联世岭山海川平福利民"
    ]
    names = [f"清远市{word}食品有限公司" for word in words]
    addresses = [f"清远市清城区{word}路{n}号" for n, word in enumerate(words)]
    right = pl.DataFrame({"id": words, "name": names, "address": addresses})
    left = pl.DataFrame(
        {
            "id": ["variant", "branch"],
            "name": ["清远（鸿運）食品有限责任公司", "清远市鸿达食品有限公司佛冈第一分公司"],
            "address": [addresses[0], "佛冈县石角镇振兴路3号"],
        }
    )
    found = link(model, left, right).pairs.filter(decision="link")
    assert found.select("left", "right").rows() == [("variant", "鸿运")]


def test_the_same_seed_gives_the_same_pairs() -> None:
    people = population(120)
    one, other = (link(PEOPLE, people.head(40), people).pairs for _ in range(2))
    assert one.equals(other)


def test_nothing_to_compare_gives_no_pairs() -> None:
    people = population(5)
    assert link(PEOPLE, people.clear(), people).pairs.is_empty()


def test_a_missing_column_is_named_with_what_there_is() -> None:
    people = population(5)
    with pytest.raises(LinkageError, match=r"the right records have no column 'phone'.*columns.phone.right"):
        link(PEOPLE, people, people.drop("phone"))
    with pytest.raises(LinkageError, match="no key column 'id'"):
        link(PEOPLE, people.drop("id"), people)


def test_blocking_stays_bounded_and_every_pair_shares_a_key() -> None:
    crowd = population(2000).with_columns(pl.lit("王伟").alias("name"))
    model = PEOPLE.model_copy(
        update={"compare_all": 0, "block_pairs": 50, "blocking": (("name",), ("born",), ("phone",))}
    )
    frame = prepare(model, crowd, "left", 0)
    pairs = candidates(model, frame, None)
    assert (pairs[PAIR[0]] < pairs[PAIR[1]]).all()
    keys = [frame.select(rule).to_series() for (rule,) in rules(model)[1:]]
    shared = [(key.gather(pairs[PAIR[0]]) == key.gather(pairs[PAIR[1]])).to_list() for key in keys]
    assert all(any(agreement) for agreement in zip(*shared, strict=True))
    assert pairs.height < 50 * 2 * crowd.height


def test_our_weights_are_splinks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is scored from levels and rarities equals what Splink itself predicts with the same m and u."""
    right = population(80)
    left = right.head(30).with_columns(pl.col("name").str.replace("晓", "小"))
    seen: dict[str, pl.DataFrame] = {}
    exclusive = linkage._exclusive

    def spy(model: LinkageModel, scored: pl.DataFrame, prior: float) -> pl.DataFrame:
        seen["scored"] = scored
        return exclusive(model, scored, prior)

    monkeypatch.setattr(linkage, "_exclusive", spy)
    found = link(PEOPLE, left, right)
    ours, theirs = prepare(PEOPLE, left, "left", 0), prepare(PEOPLE, right, "right", left.height)
    with linkage.duckdb.connect() as connection:
        engine = linkage._Engine(PEOPLE, pl.concat([ours, theirs]), connection)
        table = engine._predicted(seen["scored"].select(PAIR), found.parameters)
        splink = engine._fetched(
            f"SELECT _id_l AS {PAIR[0]}, _id_r AS {PAIR[1]}, match_probability AS p FROM {table} ORDER BY ALL"
        )
    prior = np.log2(found.parameters.prior / (1 - found.parameters.prior))
    own = posterior(seen["scored"].sort(*PAIR)["weight"].to_numpy() + prior)
    assert np.allclose(own, splink["p"].to_numpy(), atol=1e-4)


def test_precision_and_recall_on_a_hard_residue(tmp_path: Path) -> None:
    """Rows without any identifier, soiled as exports soil them, a fifth of them strangers."""
    measured.prepare(tmp_path, people=3000, residue=400)
    left, right = measured._sides(tmp_path)
    found = link(measured.model(), left, right).pairs.filter(decision="link")
    reached = measured.quality(found, pl.read_parquet(tmp_path / "truth.parquet"))
    assert reached["precision"] >= 0.995
    assert reached["recall"] >= 0.95


def test_the_reviewed_models_can_be_compiled() -> None:
    for model in reviewed_models().values():
        asked = [model.key_of("left") or "", *(n for c in model.columns for n in model.sources(c, "left"))]
        held = [model.key_of("right") or "", *(n for c in model.columns for n in model.sources(c, "right"))]
        left, right = (pl.DataFrame(schema=dict.fromkeys(names, pl.String())) for names in (asked, held))
        identified = [column.implied_by for column in model.columns.values() if column.implied_by]
        assert set(identified) <= {*asked} & {*held}
        assert link(model, left, right).pairs.is_empty()


MODEL_OF_PEOPLE = reviewed_models()["person"]


def register(count: int = 400) -> pl.DataFrame:
    """Records of persons as the reviewed model reads them, two to a household, each beside the other."""
    known = population(count).rename({"id": "person_id", "born": "birth_date", "phone": "mobile"})
    people = known.rename({"address": "residence_address"}).with_columns(sex=pl.lit("1"))
    other = pl.col("name").gather(pl.int_range(pl.len()).xor(1))
    numbers = [resident(n, born.replace("-", "")) for n, born in enumerate(people["birth_date"])]
    nobody = pl.lit(None, pl.String)
    return people.with_columns(
        pl.Series("resident_id", numbers), spouse=nobody, family=nobody, household=other
    )


def rows_of(people: pl.DataFrame, relative: str | pl.Expr, **said: str | None) -> pl.DataFrame:
    """Rows that a register of pupils would have of these people, without their number: with a guardian, or nobody."""
    told = dict.fromkeys(
        read for name in MODEL_OF_PEOPLE.columns for read in MODEL_OF_PEOPLE.sources(name, "left")
    )
    guardian = relative if isinstance(relative, pl.Expr) else pl.lit(relative)
    made = {"resident_id": pl.lit(None, pl.String), "school_enrolment.guardian_name": guardian}
    made |= {name: pl.lit(value, pl.String) for name, value in said.items()}
    known = people.with_columns(**made)
    missing = [pl.lit(None, pl.String).alias(name) for name in told if name not in known.columns]
    return known.with_columns(missing)


def test_a_twin_and_a_spouse_share_all_relatives_and_are_linked_to_nobody() -> None:
    """They stand in no base; the brother, and the husband, whose day, house, number and relatives are theirs, do."""
    people = register()
    brother, husband = people[10], people[20]
    beside = pl.col("household")
    given = str(brother["name"][0])
    twin = rows_of(brother, beside, name=f"{given[0]}{'建' if given[1] != '建' else '国'}{given[2]}")
    wife = rows_of(husband, beside, name="欧阳佩珊", sex="2")
    others = rows_of(people[100:200], beside)
    rows = pl.concat([twin, wife, others]).with_columns(person_id=pl.format("R{}", pl.int_range(pl.len())))
    pairs = link(MODEL_OF_PEOPLE, rows, people).pairs
    linked = pairs.filter(decision="link")
    assert not {"R0", "R1"} & {*linked["left"]}
    assert linked.height >= 95, "the others are linked, each to himself"
    assert all(left[1:] == str(int(right[1:]) - 98) for left, right in linked.select("left", "right").rows())
    assert "R0" in {*pairs["left"]}, "of the twin a steward is asked"
    free = MODEL_OF_PEOPLE.model_copy(update={"link_needs": ()})
    assert "R0" in {*link(free, rows, people).pairs.filter(decision="link")["left"]}, (
        "it is the need of a name"
    )


def test_of_two_namesakes_the_one_is_meant_whose_relative_is_named() -> None:
    people = register()
    names = people["name"].to_list()
    first, second = next(
        (one, other)
        for one in range(200)
        for other in range(one + 1, 200)
        if names[one] == names[other] and names[one ^ 1] != names[other ^ 1]
    )
    nothing = dict.fromkeys(("birth_date", "sex", "mobile", "residence_address"))
    row = rows_of(people[second], pl.col("household"), **nothing)
    rows = pl.concat([row, rows_of(people[200:300], pl.col("household"))]).with_columns(
        person_id=pl.format("R{}", pl.int_range(pl.len()))
    )
    told = {
        right: probability
        for left, right, probability, _ in link(MODEL_OF_PEOPLE, rows, people).pairs.rows()
        if left == "R0"
    }
    assert told.get(f"P{second}", 0) > 5 * told.get(f"P{first}", 0.01)


def test_who_lacks_a_birth_date_is_compared_by_the_one_in_his_valid_number() -> None:
    """Else a neighbour's record that has a date would be nearer to the row than his own."""
    people = register().with_columns(
        birth_date=pl.when(pl.int_range(pl.len()) % 2 == 1).then(
            "birth_date"
        )  # who stands at even places has none
    )
    frame = prepare(MODEL_OF_PEOPLE, people, "right", 0)
    born = form_column(MODEL_OF_PEOPLE, "birth_date", "exact")
    assert frame[born].to_list() == [number[6:14] for number in people["resident_id"]]
    slipped = people.with_columns(resident_id=pl.col("resident_id").str.replace(r".$", "?"))
    assert prepare(MODEL_OF_PEOPLE, slipped, "right", 0)[born].null_count() == people.height // 2


def test_u_is_measured_as_finely_as_the_prior_is_small() -> None:
    """A match among n people is as likely beforehand as one in n: so many pairs are drawn, and compared in slices."""
    ids = pl.Series("_id", range(250_000))
    assert random_pairs(ids, PEOPLE.estimation).height > 110_000
    assert random_pairs(ids.head(1000), PEOPLE.estimation).height > 45_000, (
        "u_pairs at least, half of them in order"
    )


def test_an_old_registration_number_is_found_in_a_column_of_credit_codes() -> None:
    """It is read as what it is, and is no credit code that differs."""
    names = [
        f"清远市{one}{two}{three}商行"
        for one in "鸿恒兴北凤天地玄黄宇"
        for two in "运达隆江城洪荒日月盈"
        for three in "食建物陶电农旅餐机服"
    ]
    numbers = [f"44180{n * 7919 % 10**10:010d}" for n in range(1000)]
    known = bodies(*((name, "", "") for name in names)).with_columns(
        pl.Series("credit_code", [f"91441802MA{n * 104729 % 10**8:08d}" for n in range(1000)]),
        pl.Series("registration_no", numbers),
    )
    written = pl.col("registration_no").alias("credit_code")
    rows = known.with_columns(written, registration_no=pl.lit(None, pl.String)).head(100)
    pairs = link(reviewed_models()["legal_entity"], rows, known).pairs.filter(decision="link")
    assert set(pairs.select("left", "right").rows()) == {(f"L{n}", f"L{n}") for n in range(100)}


def test_organisations_without_codes_are_not_taken_for_their_branches(tmp_path: Path) -> None:
    measured.prepare_organisations(tmp_path, count=1500)
    found = link(measured.organisation_model(), *measured._sides(tmp_path)).pairs.filter(decision="link")
    reached = measured.quality(found, pl.read_parquet(tmp_path / "truth.parquet"))
    assert reached["precision"] >= 0.995
    assert reached["recall"] >= 0.9


def bodies(*rows: tuple[str, str, str]) -> pl.DataFrame:
    """Organisations of which only name, founding date and address are known."""
    known = pl.DataFrame(rows, schema=["name", "established_on", "address"], orient="row")
    missing = {
        name: pl.lit(None, pl.String)
        for name in ("credit_code", "registration_no", "legal_representative", "phone")
    }
    return (
        known.with_columns(**missing)
        .with_row_index("n")
        .with_columns(legal_entity_id=pl.format("L{}", "n"))
        .drop("n")
    )


def test_a_branch_at_the_address_of_its_body_is_left_to_a_steward() -> None:
    """Name alike, same day, same street: a chain's shops are so, and only a person can tell."""
    towns = ["禾洞", "福堂", "小三江", "上帅", "太保", "永和", "吉田", "加田"]
    said = [
        (f"连山县{town}供销社", f"1989-11-{n + 10}", f"连山县{town}镇{town}街{n}号")
        for n, town in enumerate(towns)
    ]
    register = bodies(
        *said,
        *(
            (f"清远市第{n}食品有限公司", f"2001-{n % 12 + 1:02}-{n % 28 + 1:02}", f"清城区人民路{n}号")
            for n in range(200)
        ),
    )
    residue = bodies(
        ("连山县禾洞供销社生产资料门市部", *said[0][1:]), said[1], ("连山县（小三江）供销社", *said[2][1:])
    )
    pairs = link(reviewed_models()["legal_entity"], residue, register).pairs
    decided = {(left, right): decision for left, right, decision in pairs.drop("probability").iter_rows()}
    assert decided[("L1", "L1")] == decided[("L2", "L2")] == "link"
    assert decided.get(("L0", "L0")) != "link"
    free = reviewed_models()["legal_entity"].model_copy(update={"link_needs": ()})
    assert link(free, residue, register).pairs.height == pairs.height, "what is not linked is left for review"


def test_who_gives_the_old_organisation_code_is_whose_credit_code_has_it_inside() -> None:
    """Also under a new name: the nine characters stay when a body is renamed."""
    first = pl.Series([f"91441802{n * 7919 % 10**8:08}{n % 10}" for n in range(300)])
    codes = first + credit_check(first)
    register = bodies(
        *(
            (f"清远市第{n}食品有限公司", f"2001-{n % 12 + 1:02}-{n % 28 + 1:02}", f"清城区人民路{n}号")
            for n in range(300)
        )
    ).with_columns(credit_code=codes)
    residue = register.slice(7, 3).with_columns(
        credit_code=pl.col("credit_code").str.slice(8, 8) + "-" + pl.col("credit_code").str.slice(16, 1),
        name=pl.Series(["广东鸿运贸易有限公司", "清远市第8食品有限公司", "清远市和谐物流有限公司"]),
    )
    pairs = link(reviewed_models()["legal_entity"], residue, register).pairs
    linked = pairs.filter(decision="link").select("left", "right").sort("left").rows()
    assert linked == [(f"L{n}", f"L{n}") for n in (7, 8, 9)]


def test_what_a_link_needs_must_be_a_level_of_a_column(tmp_path: Path) -> None:
    model = tmp_path / "model.yaml"
    model.write_text(
        "columns: {name: organisation_name}\nlink_needs: [{name: sound}, {born: exact}]\n", encoding="utf-8"
    )
    with pytest.raises(CatalogueError, match="name: sound is no level") as raised:
        load_model(model)
    assert "born: exact is no level" in str(raised.value)


@pytest.mark.real
def test_real_enterprises_without_a_code_are_linked_to_themselves_or_to_nobody(
    real_file: Callable[..., Path],  # noqa: F811 (pytest's way of asking for it)
) -> None:
    """Three fifths stand in the base; half of those and all of the others come without a code, spelled otherwise."""
    read = pl.read_csv(real_file("enterprises_qingyuan.csv"), infer_schema=False)
    everybody = bodies(*read.select("企业名称", "注册日期", "注册地址").iter_rows())
    known = everybody.sample(fraction=0.6, seed=4, shuffle=True)
    strangers = everybody.join(known, on="legal_entity_id", how="anti")
    shorter = pl.col("name").str.replace("有限责任公司|有限公司", "").str.replace_all("（", "(")
    residue = pl.concat([known.sample(fraction=0.5, seed=14), strangers]).with_columns(shorter)
    links = link(reviewed_models()["legal_entity"], residue, known).pairs.filter(decision="link")
    assert links.height > 0.7 * 0.3 * everybody.height
    assert links.filter(pl.col("left") != pl.col("right")).is_empty()
