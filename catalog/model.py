"""What a catalogue entry is: the pydantic models every YAML under ``catalog/`` is read into.

Here belongs the *shape* of a declaration: fields, types, and the faults that one declaration shows by itself.
What needs two declarations side by side (one item, one source department), or the law, is in ``check.py``;
reading files is in ``load.py``; what a value must look like is in ``elements.py``.
Sources: the Qingyuan Measures, Arts. 10-19 and 30-37; the 2017 national guide to resource catalogues.
"""

from __future__ import annotations

from datetime import date
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,62}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

#: Names that citylake adds to every standard table; a resource's column may not start with an underscore.
SYSTEM_COLUMNS = ("_push", "_row", "_data_date", "_received_at", "_row_hash", "_warnings")


class Declaration(BaseModel):
    """Base of everything read from YAML: immutable, and an unknown key is a fault, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class SharingType(StrEnum):
    """共享类型 and 开放属性 (Arts. 13, 32): from tightest to loosest. Compare with :meth:`rank`."""

    NONE = "none"
    CONDITIONAL = "conditional"
    UNCONDITIONAL = "unconditional"

    @property
    def rank(self) -> int:
        """0 for the tightest (not shared), 2 for the loosest (unconditional)."""
        return list(SharingType).index(self)

    @property
    def title(self) -> str:  # type: ignore[override] # the word people see, not str.title
        """The screens' word for it."""
        return {"none": "不予共享", "conditional": "有条件共享", "unconditional": "无条件共享"}[self.value]


class Frequency(StrEnum):
    """更新频率, the guide's eight steps."""

    REALTIME = "realtime"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    HALF_YEARLY = "half_yearly"
    YEARLY = "yearly"
    IRREGULAR = "irregular"

    @property
    def title(self) -> str:  # type: ignore[override] # the word people see, not str.title
        """The screens' word for it."""
        return dict(
            zip(
                Frequency, ("实时", "每日", "每周", "每月", "每季度", "每半年", "每年", "不定期"), strict=True
            )
        )[self]


class Grade(IntEnum):
    """General data's four levels (GB/T 43697-2024, informative; Zhejiang DB33/T 2350): 1 public … 4 highly sensitive."""

    PUBLIC = 1
    LOW = 2
    SENSITIVE = 3
    HIGHLY_SENSITIVE = 4


class Way(StrEnum):
    """How a department delivers (Art. 18): 接口对接, 库表推送, 文件上传."""

    API = "api"
    TABLE = "table"
    FILE = "file"


class Mode(StrEnum):
    """What one push means for the rows already held."""

    SNAPSHOT = "snapshot"  # the whole truth of its day: what is missing from it has vanished
    UPSERT = "upsert"  # new and changed rows, by key
    APPEND = "append"  # events: rows are only ever added


class Severity(StrEnum):
    """What a failed rule does: the row goes to quarantine, or stays with the reason recorded, or the push is held."""

    REJECT = "reject"
    WARN = "warn"
    HOLD = "hold"


class Dimension(StrEnum):
    """The six quality dimensions of GB/T 36344-2018."""

    CONFORMITY = "conformity"
    COMPLETENESS = "completeness"
    ACCURACY = "accuracy"
    CONSISTENCY = "consistency"
    TIMELINESS = "timeliness"
    ACCESSIBILITY = "accessibility"

    @property
    def title(self) -> str:  # type: ignore[override] # the word people see, not str.title
        """The standard's Chinese name."""
        return dict(
            zip(Dimension, ("规范性", "完整性", "准确性", "一致性", "时效性", "可访问性"), strict=True)
        )[self]


class Title(Declaration):
    """A name in both languages; screens show ``zh`` first."""

    zh: Text
    en: Text


class Sharing(Declaration):
    """共享类型 with what the law asks beside it (Arts. 13, 14)."""

    type: SharingType
    basis: Text | None = Field(None, description="legal basis; required unless unconditional")
    conditions: Text | None = Field(None, description="共享条件; required for conditional")
    scope: Text | None = Field(None, description="共享范围: who may have it")


#: Art. 33's five grounds for not opening, and Art. 34's four for opening on conditions.
NONE_GROUNDS: dict[str, str] = {
    "33-1": "国家秘密",
    "33-2": "危及国家安全、公共安全、经济安全和社会稳定",
    "33-3": "涉及商业秘密、个人隐私且数据主体未同意开放",
    "33-4": "数据获取协议或者知识产权保护禁止开放",
    "33-5": "法律、法规、规章规定不得开放",
}
CONDITIONAL_GROUNDS: dict[str, str] = {
    "34-1": "涉及商业秘密、个人隐私且数据主体同意开放",
    "34-2": "无条件开放将严重挤占公共数据基础设施资源",
    "34-3": "经济社会效益显著但安全风险需谨慎评估",
    "34-4": "法律、法规认定应当有条件开放",
}
#: Masking lifts only the privacy and trade-secret ground (Arts. 30, 36).
MASKABLE_GROUND = "33-3"


class Opening(Declaration):
    """开放属性 with its ground, as a code of Art. 33 or 34, and the document that says so."""

    type: SharingType
    ground: str | None = None
    basis: Text | None = None


class Departments(Declaration):
    """The departments that collect, verify and provide (采集, 核准, 提供; Art. 11). One each (Art. 15)."""

    collects: Code
    verifies: Code
    provides: Code


class Volume(Declaration):
    """Row counts a push must keep: below ``min_rows`` it is held (a truncated fetch never replaces good data);
    above ``max_rows`` it only warns. ``max_shrink`` holds a snapshot that loses more than this share of rows. Scores
    measure a push by what was ever sent; of a register that rightly became smaller, by what came ``record_since``."""

    min_rows: int = Field(0, ge=0)
    max_rows: int | None = None
    max_shrink: float = Field(0.3, ge=0, le=1)
    record_since: date | None = None


class TableReading(Declaration):
    """How the resource's table in the exchange database is read, where not whole each time: from the highest value of
    ``watermark`` on, a column that the database raises with every change (a time of change, a running number)."""

    watermark: Text


class Operation(Declaration):
    """A column that says what to do with its row, for files and tables of changes: rows with one of the words in
    ``delete`` delete their key, all others insert or update it."""

    column: Text
    delete: tuple[Text, ...] = ("D", "DELETE", "DEL", "删除", "注销")


class Delivery(Declaration):
    """How the resource is pushed, what a push means, and which columns tell one row from another."""

    ways: tuple[Way, ...] = Field(min_length=1)
    mode: Mode
    key: tuple[str, ...] = ()
    empty_ok: bool = Field(True, description="零报告: a header-only push satisfies the period")
    max_reject_share: float = Field(0.5, ge=0, le=1, description="more rejected rows than this hold the push")
    volume: Volume = Volume()
    table: TableReading | None = None
    operation: Operation | None = None

    @model_validator(mode="after")
    def _deletions_are_of_keys(self) -> Self:
        if self.operation and self.mode is not Mode.UPSERT:
            msg = "an operation column deletes by key: it goes with the mode upsert only"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _changes_are_no_snapshot(self) -> Self:
        if self.table and self.mode is Mode.SNAPSHOT:
            msg = "a table read by a watermark gives what changed, never a snapshot: make the mode upsert or append"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _key_where_needed(self) -> Self:
        if self.mode is not Mode.APPEND and not self.key:
            msg = f"a {self.mode} resource needs a key: name the columns that tell one row from another"
            raise ValueError(msg)
        return self


class Column(Declaration):
    """One data item (信息项). ``item`` names the entity's attribute this column is the authoritative source of
    (``person.birth_date``): exactly one department may claim each (Art. 15, checked across the catalogue)."""

    title: Text
    element: Code
    required: bool = False
    grade: Grade = Grade.LOW
    item: str | None = Field(None, pattern=r"^[a-z_]+\.[a-z_]+$")
    aliases: tuple[Text, ...] = ()
    values: tuple[Text, ...] = Field((), description="值域: the allowed values of a category")
    sharing: Sharing | None = Field(None, description="where it differs from the resource's")
    opening: Opening | None = Field(None, description="where it differs from the resource's")
    description: Text | None = None


class Rule(Declaration):
    """One more check, in Great Expectations' own words: an expectation type and its arguments.

    ``name`` is the rule's for ever: its history is kept under it, wherever it stands in the list. ``severity`` says what a
    failure does, ``dimension`` where it counts, ``reason`` what the department reads."""

    name: Code
    expectation: Annotated[str, StringConstraints(pattern=r"^expect_[a-z0-9_]+$")]
    arguments: dict[str, Any] = {}
    severity: Severity = Severity.REJECT
    dimension: Dimension = Dimension.ACCURACY
    reason: Title


class Entry(Declaration):
    """A catalogue entry (Art. 11): one resource of one department. Its code is the file's stem."""

    code: Code
    version: int = Field(1, ge=1)
    title: Title
    abstract: Text
    catalogue_code: Annotated[str, StringConstraints(pattern=r"^[1-3]\d{2}\d{3}/\d{6}$")] = Field(
        description="信息资源代码: class 1, item 2, heading 3 digits / sequence (national guide, 2017)"
    )
    category: Text = Field(description="the entry's subject, for grouping: 人口, 法人, 社保 …")
    data_form: Literal["database", "spreadsheet", "file", "service", "spatial"]
    origin: Literal["statutory", "purchased"] = "statutory"
    departments: Departments
    sharing: Sharing
    opening: Opening
    frequency: Frequency
    delivery: Delivery
    coordinate_system: Literal["cgcs2000", "wgs84", "gcj02", "bd09", "gk114", "gk111"] | None = None
    published: date | None = None
    columns: dict[Code, Column] = Field(min_length=1)
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _keys_are_columns(self) -> Self:
        unknown = [name for name in self.delivery.key if name not in self.columns]
        if unknown:
            msg = f"delivery.key names no column of this entry: {', '.join(unknown)}"
            raise ValueError(msg)
        optional = [name for name in self.delivery.key if not self.columns[name].required]
        if optional:
            msg = f"a key column must be required: {', '.join(optional)}"
            raise ValueError(msg)
        return self

    @property
    def department(self) -> str:
        """The source department (数源部门): the one that provides the resource."""
        return self.departments.provides

    def sharing_of(self, column: str) -> SharingType:
        """The column's sharing type: its own where it states one, else the resource's."""
        own = self.columns[column].sharing
        return (own or self.sharing).type

    def opening_of(self, column: str) -> SharingType:
        """The column's opening type: its own where it states one, else the resource's."""
        own = self.columns[column].opening
        return (own or self.opening).type

    def header_names(self, column: str) -> tuple[str, ...]:
        """Every header a file may carry for this column: its name, its Chinese title, its aliases."""
        declared = self.columns[column]
        return (column, declared.title, *declared.aliases)


class Limits(Declaration):
    """What a department may ask of the gateway: the largest body of one push, pushes at once, and pushes begun in a minute."""

    megabytes: int = Field(4_096, ge=1, le=20_480)
    at_once: int = Field(8, ge=1, le=64)
    a_minute: int = Field(1_200, ge=1)

    @property
    def bytes(self) -> int:
        """The largest body."""
        return self.megabytes * 1024**2


class Department(Declaration):
    """A public management and service institution, with its level, division and competent bureau."""

    code: Code
    title: Title
    credit_code: str | None = None
    level: Literal["city", "county", "province", "central"] = "city"
    division: Annotated[str, StringConstraints(pattern=r"^\d{6}$")] = "441800"
    bureau: Code = Field("data_bureau", description="the data bureau it answers to")
    limits: Limits = Limits()
    owner: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")]
