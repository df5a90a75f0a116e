"""The words on the page that the catalogue does not hold: states, roles, ways, in Chinese and in English.

Here belong labels only. Titles of departments, resources and columns come from the catalogue.
"""

from __future__ import annotations

import re
from enum import Enum

from assets.escalation import Stage
from catalog.model import Dimension, Frequency, Mode, Severity, SharingType, Title, Way
from lake.ledger import PushState
from pipelines.dashboard.accounts import Act, Role
from quality.freshness import State, Verdict

_ENGLISH: dict[type[Enum], tuple[str, ...]] = {
    State: ("On time", "Due soon", "Late", "Never pushed", "Held", "Irregular"),
    Verdict: ("On time", "Late", "Missed", "Excused"),
    Stage: (
        "Nothing owed",
        "Late, told",
        "Notice to be sent",
        "Correcting",
        "To be reported",
        "Reported",
    ),
    PushState: ("Received", "Applied", "Held", "Refused", "Withdrawn", "Purged"),
    Frequency: (
        "Real time",
        "Daily",
        "Weekly",
        "Monthly",
        "Quarterly",
        "Half-yearly",
        "Yearly",
        "Irregular",
    ),
    SharingType: ("Not shared", "Conditionally shared", "Unconditionally shared"),
    Dimension: (
        "Conformity",
        "Completeness",
        "Accuracy",
        "Consistency",
        "Timeliness",
        "Accessibility",
    ),
    Way: ("API", "Table", "File"),
    Mode: ("Snapshot", "Upsert", "Append"),
    Severity: ("Quarantined", "Noted, row stays", "Push held"),
    Role: ("Data bureau", "Department", "Auditor"),
}
_CHINESE: dict[type[Enum], tuple[str, ...]] = {
    Way: ("接口对接", "库表推送", "文件上传"),
    Mode: ("全量", "增改", "追加"),
    Severity: ("转入问题数据", "提示，行保留", "整批待定"),
    Role: ("数据局", "部门", "审计"),
}
#: Opening types are the sharing types' three steps towards the public.
OPENING = {
    SharingType.NONE: Title(zh="不予开放", en="Not opened"),
    SharingType.CONDITIONAL: Title(zh="有条件开放", en="Opened on conditions"),
    SharingType.UNCONDITIONAL: Title(zh="无条件开放", en="Opened"),
}
#: What people do on the page, as the record of acts names it.
ACTS = {
    Act.LOGIN: Title(zh="登录", en="Logged in"),
    Act.LOGIN_FAILED: Title(zh="登录失败", en="Failed to log in"),
    Act.LOGIN_LOCKED: Title(zh="登录被锁定", en="Locked out"),
    Act.PASSWORD_CHANGED: Title(zh="修改密码", en="Changed the password"),
    Act.UPLOAD: Title(zh="上传文件", en="Uploaded a file"),
    Act.ACCEPT_HOLD: Title(zh="确认待定推送", en="Let a held push in"),
    Act.NOTICE_SENT: Title(zh="登记催报通知已发出", en="Recorded a notice as sent"),
    Act.REPORTED: Title(zh="登记已报告市政府", en="Recorded a report to the government"),
    Act.EXCUSE: Title(zh="提交逾期说明", en="Gave an excuse"),
    Act.RULE_EXCUSE: Title(zh="答复逾期说明", en="Ruled on an excuse"),
    Act.VIEW_CONFLICTS: Title(zh="查看部门间不一致的记录", en="Looked at conflicts"),
    Act.CONTEST: Title(zh="对目录条目提出异议", en="Contested an entry"),
    Act.ANSWER_OBJECTION: Title(zh="答复目录异议", en="Answered an objection"),
    Act.ROTATE_TOKEN: Title(zh="更换推送令牌", en="Changed a push token"),
    Act.REFUSE_HOLD: Title(zh="退回待定推送", en="Sent a held push back"),
    Act.RELEASE_ROW: Title(zh="放行问题数据", en="Released a refused row"),
    Act.DISMISS_ROW: Title(zh="问题数据不予处理", en="Dismissed a refused row"),
    Act.DATA_DOCS_VALUES: Title(zh="查看推送的脱敏问题值", en="Looked at a push's failing values, masked"),
    Act.DOWNLOAD_WORKLIST: Title(zh="下载部门问题数据清单", en="Downloaded a department's worklist"),
    Act.DOWNLOAD_REFUSED: Title(zh="下载问题数据清单", en="Downloaded refused rows"),
    Act.DOWNLOAD_CATALOGUE: Title(zh="导出目录", en="Exported the catalogue"),
    Act.REPORT_NOTHING: Title(zh="签署零报告", en="Signed a zero report"),
    Act.PURGE_REQUEST: Title(zh="申请清除推送", en="Asked for a purge"),
    Act.PURGE_CONFIRM: Title(zh="确认清除推送", en="Confirmed a purge"),
    Act.VIEW_ROWS: Title(zh="查看数字背后的行", en="Looked at rows behind a number"),
}


def word(value: Enum, language: str) -> str:
    """A member's label in a language (``zh`` or ``en``)."""
    kind = type(value)
    words = _ENGLISH if language == "en" else _CHINESE
    if kind in words:
        return dict(zip(kind, words[kind], strict=True))[value]
    return str(value.title)  # type: ignore[attr-defined] # these enumerations carry their Chinese


def short(title: Title, language: str) -> str:
    """A department's name without the city's, as a board has room for."""
    return (
        title.en
        if language == "en"
        else re.sub(r"^(?:国家税务总局|中共)?\w{2,4}?市(?!委)(?=\w)", "", title.zh)
    )
