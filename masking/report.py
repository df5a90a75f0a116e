"""A product's risk as a data protection officer reads it, and as a row of ``ops.product_risk``.

Here belong gathering the measures of one product and saying them in words; what they are is in ``risk`` and
``linkage``. A report holds counts and the product's own declarations, never a value out of a row: it stays with the
bureau all the same, since it tells how small the smallest groups were. Source: GB/T 37964-2019 (what to measure);
GB/T 42460-2023 (what a report of an assessment says).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from catalog.model import Grade, SharingType
from masking.columns import SourceColumn
from masking.linkage import Linkage
from masking.methods import METHODS
from masking.policy import Policy, Threshold
from masking.product import Product
from masking.risk import (
    Diversity,
    Joined,
    Risk,
    differing,
    diversity,
    group_sizes,
    measure,
    only_large_groups,
    without,
)

#: Columns from this grade on are what an attacker is after: how far they are known is measured for each.
SENSITIVE = Grade.SENSITIVE


@dataclass(frozen=True)
class Loss:
    """What leaving small groups out took from one column: how many different values it had, and has."""

    column: str
    before: int
    after: int


@dataclass(frozen=True)
class Report:
    """All that is said of one product."""

    product: Product
    sources: Mapping[str, SourceColumn]
    policy: Policy
    threshold: Threshold
    risk: Risk | None
    """None where the product is about nobody"""
    refusal: str | None
    diversities: Sequence[Diversity] = ()
    losses: Sequence[Loss] = ()
    linkage: Linkage | None = None
    joined: Joined | None = None
    """of all products that the recipient holds over the same subjects"""
    coarser: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """columns that small groups made coarser than declared: how coarse they were to be, and are"""
    waiting: int = 0
    """people of whom what is published is not what the source says now: their changes wait for others alike"""


def sensitive_columns(product: Product, sources: Mapping[str, SourceColumn]) -> list[str]:
    """The columns worth knowing: of a sensitive grade, or excused from the quasi-identifiers; never a pseudonym."""
    shown = [
        name
        for name in product.columns
        if not METHODS[product.mask(name, sources[product.source_name(name)]).method].token
    ]
    return [
        name
        for name in shown
        if sources[product.source_name(name)].grade >= SENSITIVE or product.columns[name].not_quasi
    ]


def assess(
    product: Product,
    sources: Mapping[str, SourceColumn],
    policy: Policy,
    threshold: Threshold,
    rows: pl.LazyFrame,
    left_out: pl.DataFrame | None = None,
    published: pl.LazyFrame | None = None,
) -> tuple[Report, pl.LazyFrame]:
    """The measures of the masked ``rows`` (with their subjects), and the rows that are ``published`` (None: that may be,
    none of the subjects in ``left_out``): while changes wait these are not the same."""
    if not product.subject:
        return Report(product, sources, policy, threshold, None, None), rows
    quasi = product.quasi_identifiers(sources)
    risk, large = measure(rows, quasi, threshold.k, left_out)
    remaining = rows if left_out is None else without(rows, left_out)
    kept, waiting = only_large_groups(remaining, quasi, large), 0
    if published is not None:
        waiting, kept = differing(kept, published), published
        risk = risk.of_published(group_sizes(kept, quasi))
    report = Report(
        product,
        sources,
        policy,
        threshold,
        risk,
        risk.refusal(threshold),
        [diversity(kept, quasi, name) for name in sensitive_columns(product, sources)],
        _losses(rows, kept, quasi),
        waiting=waiting,
    )
    return report, kept


def _losses(rows: pl.LazyFrame, kept: pl.LazyFrame, quasi: Sequence[str]) -> list[Loss]:
    if not quasi:
        return []
    before, after = (
        frame.select(pl.col(quasi).n_unique()).collect(engine="streaming") for frame in (rows, kept)
    )
    return [Loss(name, int(before[name].item()), int(after[name].item())) for name in quasi]


def as_row(report: Report) -> dict[str, object]:
    """The report as one row of ``ops.product_risk``; null where a measure does not apply."""
    product, risk, linkage = report.product, report.risk, report.linkage
    return {
        "product": f"{product.layer}.{product.code}",
        "title": product.title.zh,
        "recipient": product.recipient,
        "published": report.refusal is None,
        "why_not": report.refusal,
        "about_nobody": product.not_personal,
        "rows": risk and risk.rows,
        "subjects": risk and risk.subjects,
        "k_asked": risk and risk.k,
        "k_before": risk and risk.smallest,
        "unique_before": risk and risk.unique_subjects,
        "rows_left_out": risk and risk.suppressed_rows,
        "loss": risk and round(risk.loss, 4),
        "k": risk and risk.published_smallest,
        "prosecutor_risk": risk and round(risk.prosecutor_risk, 4),
        "average_risk": risk and round(risk.average_risk, 6),
        "l": min((found.fewest_values for found in report.diversities), default=None),
        "t": max((found.farthest for found in report.diversities), default=None),
        "told_apart": risk and risk.told_apart,
        "waiting": risk and report.waiting,
        "k_joined": report.joined and report.joined.smallest,
        "unique_joined": report.joined and report.joined.unique_subjects,
        "journalist_risk": linkage and linkage.journalist_risk,
        "joined_by": " ".join(linkage.known) if linkage else None,
        "named": linkage and linkage.named,
        "reidentified": linkage and linkage.right,
    }


ROW_SCHEMA = pl.Schema(
    {
        **dict.fromkeys(("product", "title", "recipient"), pl.String()),
        "published": pl.Boolean(),
        **dict.fromkeys(("why_not", "about_nobody"), pl.String()),
        **dict.fromkeys(
            ("rows", "subjects", "k_asked", "k_before", "unique_before", "rows_left_out"), pl.Int64()
        ),
        "loss": pl.Float64(),
        "k": pl.Int64(),
        **dict.fromkeys(("prosecutor_risk", "average_risk"), pl.Float64()),
        "l": pl.Int64(),
        "t": pl.Float64(),
        **dict.fromkeys(("told_apart", "waiting", "k_joined", "unique_joined"), pl.Int64()),
        "journalist_risk": pl.Float64(),
        "joined_by": pl.String(),
        **dict.fromkeys(("named", "reidentified"), pl.Int64()),
    }
)


def rendered(report: Report) -> str:
    """The report in Markdown, Chinese first."""
    parts = [_head(report), _verdict(report), _columns(report)]
    if report.risk:
        parts += [
            _measures(report.risk),
            _diversities(report),
            _lost(report.risk, report.losses, report.coarser),
            _linked(report),
            _held(report),
        ]
    return "\n\n".join([*parts, _LIMITS]) + "\n"


def _head(report: Report) -> str:
    product, review = report.product, report.product.secrecy_review
    approvals = "；".join(f"{item.department} {item.document}（{item.date}）" for item in product.approvals)
    lines = [
        f"# {product.title.zh} · {product.title.en}",
        "",
        "脱敏数据产品风险评估报告 · Risk report of a masked product (GB/T 37964, GB/T 42460)。仅供数据局内部使用。",
        "",
        f"- 产品 product: `{product.layer}.{product.code}`，来源 source: `{product.source.layer}.{product.source.table}`",
        f"- 目标 target: {_type(product.target.type, product.target.kind)}，接收方 recipient: {product.recipient}",
        f"- 用途 purpose: {product.purpose}",
        f"- 依据 basis: {product.basis}",
        f"- 数源部门审批 approvals: {approvals}",
        f"- 保密审查 secrecy review: {review.document}（{review.date}）",
    ]
    return "\n".join(lines)


def _type(kept: SharingType, kind: str) -> str:
    """A sharing or an opening type in the law's words."""
    return f"{kept.title if kind == 'sharing' else kept.title.replace('共享', '开放')} {kept}"


def _verdict(report: Report) -> str:
    head = "## 结论 · In short\n\n"
    risk, linkage = report.risk, report.linkage
    if risk is None:
        return f"{head}不涉及个人主体 about nobody: {report.product.not_personal}"
    if report.refusal:
        return f"{head}**未发布 not published**: {report.refusal}"
    text = (
        f"{head}**已发布 published.** 每组至少 "
        f"{risk.published_smallest} 人（要求 {risk.k}）；已知某人在表中时，找到其所在行的机会不超过 "
        f"{risk.prosecutor_risk:.1%}。"
    )
    if report.waiting:
        text += (
            f" {report.waiting:,} 人的变化暂缓发布，待至少 {risk.k} 人有同样变化。 "
            f"Changes of {report.waiting:,} people wait until {risk.k} change alike."
        )
    if linkage:
        text += (
            f" 用基础库链接攻击：{linkage.subjects:,} 人中准确识别 {linkage.right:,} 人（{linkage.share:.2%}）。 "
            f"Linked with the base database, {linkage.right:,} of {linkage.subjects:,} people are re-identified."
        )
    return text


def _columns(report: Report) -> str:
    product, towards = report.product, report.product.target.kind
    quasi = set(product.quasi_identifiers(report.sources))
    lines = [
        "## 列与方法 · Columns and masks",
        "",
        "| 列 | 来源 | 分级 | 原类型 | 方法 | 脱敏后 | 性质 |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in product.columns:
        source = report.sources[product.source_name(name)]
        mask = product.mask(name, source)
        after = report.policy.type_after(source, mask, towards)
        parameters = " ".join(f"{key}={value}" for key, value in mask.parameters.items() if key != "classes")
        excuse = product.columns[name].not_quasi
        role = "准标识符" if name in quasi else (f"非准标识符：{excuse}" if excuse else "假名或隐去")
        lines.append(
            f"| {name} | {source.title.zh} | {source.grade.value} | {_type(source.type_towards(towards), towards)} "
            f"| {METHODS[mask.method].title.zh} {parameters} | {_type(after, towards)} | {role} |"
        )
    return "\n".join(lines)


def _measures(risk: Risk) -> str:
    return _table(
        "## 重标识风险 · Risk of re-identification",
        ("指标 measure", "抑制前 before", "发布后 published", "含义 meaning"),
        [
            ("k（不同主体 distinct subjects）", risk.smallest, risk.published_smallest, "最小等价类的人数"),
            ("等价类 groups", f"{risk.groups:,}", f"{risk.published_groups:,}", "准标识符取值组合数"),
            ("唯一主体 uniques", f"{risk.unique_subjects:,}", 0 if risk.published_smallest > 1 else "—", "组内只有一人"),
            ("检察官风险 prosecutor risk", f"{1 / max(risk.smallest, 1):.1%}", f"{risk.prosecutor_risk:.1%}", "已知某人在表中，最坏情形"),
            ("平均风险 average risk", "—", f"{risk.average_risk:.2%}", "对所有人平均"),
        ],
    )  # fmt: skip


def _diversities(report: Report) -> str:
    rows = [
        (
            item.column,
            item.fewest_values,
            f"{item.known_subjects:,}",
            f"{item.farthest:.2f}",
            f"{item.groups:,}",
        )
        for item in report.diversities
    ]
    head = "## 敏感列 · Sensitive columns: l-diversity, t-closeness"
    told = "\n\n其余准标识符全部已知时，对该列还能推断多少。l=1 的组内取值即被知晓；t 越近 0 越安全。"
    names = ("列 column", "l", "取值已知的人数 known", "t", "等价类 groups")
    return (
        _table(head + told, names, rows) if rows else f"{head}\n\n无三级以上的列 · none of grade 3 or more。"
    )


def _lost(risk: Risk, losses: Sequence[Loss], coarser: Mapping[str, tuple[str, str]]) -> str:
    steps = "；".join(f"{name}: {before} → {after}" for name, (before, after) in coarser.items())
    head = (
        f"## 概化和抑制损失 · What generalisation and suppression lost\n\n因组过小而自动加粗概化 made coarser than declared: {steps or '无 none'}。\n\n{risk.suppressed_rows:,} / {risk.rows:,} 行 rows（{risk.loss:.1%}），"
        f"{risk.groups - risk.published_groups:,} / {risk.groups:,} 组 groups。"
    )
    rows = [(loss.column, f"{loss.before:,}", f"{loss.after:,}") for loss in losses]
    return _table(head, ("列 column", "原有取值数 values before", "剩余 left"), rows)


def _linked(report: Report) -> str:
    head = "## 链接攻击 · Linkage attack\n\n"
    found = report.linkage
    if found is None:
        return f"{head}与基础库没有可连接的共同列，未做链接 · no column in common with a base database, nothing to join by."
    return _table(
        f"{head}攻击者持有基础库中全部人员的 {'、'.join(found.known)}，按同样方法处理后连接。",
        ("指标 measure", "值 value"),
        [
            ("表中人数 people in the table", f"{found.subjects:,}"),
            ("被指认 named", f"{found.named:,}"),
            ("指认正确 rightly", f"{found.right:,}（{found.share:.2%}）"),
            ("记者风险 journalist risk", f"{found.journalist_risk:.1%}"),
            ("平均 average", f"{found.average_risk:.3%}"),
        ],
    )


def _held(report: Report) -> str:
    head = "## 接收方合并持有 · All that the recipient holds\n\n"
    found = report.joined
    if found is None:
        return f"{head}不按人合并 · groups only, nothing to join."
    left_out = report.risk.told_apart if report.risk else 0
    return (
        f"{head}同一接收方的假名可以连接。把 {report.product.recipient} 持有的各产品、各行按人合并：{found.subjects:,} 人，"
        f"最小组 {found.smallest} 人，{found.unique_subjects:,} 人的全部记录与他人都不同；"
        f"为此从各产品中略去 {left_out:,} 人的全部记录。\n\n"
        f"Joined by person over all products and rows: {found.unique_subjects:,} of {found.subjects:,} people are like "
        f"nobody else, the smallest group is {found.smallest}; to get there, {left_out:,} people are left out of every one "
        "of these products."
    )


def _table(head: str, names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, "", f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


_LIMITS = """## 局限 · What this does not say

- k 只数同组人数：组内的人若取值相同，不必找到其行也知道其值，见 l 与 t。
- 链接攻击只用基础库有的列；知道表中其他列的人（如经办人）更强，以 k 与检察官风险为准。
- 假名可关联同一主体的多行；罕见的行为模式仍可能被知情者认出。
- k 逐个产品、并对同一接收方持有的全部产品按人合并要求；角色自己的脱敏表（role）由授权约束，不计入。与上一次发布相比，同样变化的主体不足 k 人的暂缓发布；把更早的各次发布都留存下来的人，仍可能看出多次变化的组合。"""
