"""Names of persons inside free text, cut out where something beside them says that they are names.

Here belongs finding them: a surname with one or two characters behind a word for a person («申请人张三»), before a title
(«李四女士»), or in a compound surname. A name that nothing announces stays: no list tells 高山 the person from the mountain.
"""

from __future__ import annotations

import polars as pl

#: What stands where a name was.
CUT = "***"
_ROLES = (
    "申请人|被申请人|当事人|联系人|负责人|法定代表人|法人代表|经营者|监护人|被监护人|户主|患者|病人|死者|逝者|家属|亲属|配偶|"
    "丈夫|妻子|父亲|母亲|儿子|女儿|姓名|举报人|投诉人|被举报人|经办人|承办人|代理人|收件人|持证人|领取人|受益人|员工|职工|学生|教师|医生|村民|居民"
)
_TITLES = "先生|女士|小姐|同志|师傅|阿姨|大爷|大妈|老师|医生|同学|夫妇"
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石"
    "廖贾夏韦付傅方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷"
    "詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳欧管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司"
    "卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝"
)
_COMPOUND = "欧阳|上官|司马|诸葛|司徒|东方|皇甫|尉迟|公孙|令狐|慕容|夏侯|宇文|长孙|端木"
_NAME = rf"(?:(?:{_COMPOUND})\p{{Han}}{{1,2}}|[{_SURNAMES}](?:\p{{Han}}{{1,2}}|[某*＊×xX]{{1,2}}))"
_BEHIND_A_ROLE = rf"({_ROLES})([（(]?[：:为是叫]?[ \x{{3000}}]*){_NAME}"
_BEFORE_A_TITLE = rf"{_NAME}({_TITLES})"


def without_names(text: pl.Expr) -> pl.Expr:
    """The text with the names cut out that a role or a title announces; the role and the title stay.

    Where a name of two characters runs into the sentence, one character of the sentence may go with it."""
    return text.str.replace_all(_BEHIND_A_ROLE, f"${{1}}${{2}}{CUT}").str.replace_all(
        _BEFORE_A_TITLE, f"{CUT}${{1}}"
    )
