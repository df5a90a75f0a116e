/*
title: {zh: 一人一档, en: "One person, one file"}
purpose: 每个在世的人一行，汇集户籍、居住、就业参保、就学、婚姻、残疾、低保、待遇、不动产、企业任职和证照，供窗口办事时免提交材料。
legal_basis: 《清远市公共数据管理办法》第二十一条、第二十四条
owner: data_bureau
frequency: daily
key: [person_id]
columns:
  person_id: 人员编号
  name: 姓名
  sex: 性别
  birth_date: 出生日期
  age: 年龄
  household_division: 户籍地行政区划代码
  residence_division: 居住地行政区划代码
  employer: 工作单位
  insurance_status: 社保状态
  medical_scheme: 医保类型
  school: 就读学校
  marital_event: 最近婚姻登记
  disability_level: 残疾等级
  low_income: 低保对象
  pensions: 近十二个月养老金笔数
  subsidies: 近十二个月补贴笔数
  subsidy_amount: 近十二个月补贴金额
  homes: 不动产数
  companies: 任法定代表人的组织数
  valid_licences: 有效电子证照数
tests:
  - title: {zh: 一人只有一行, en: one row per person}
    sql: select person_id from this group by 1 having count(*) > 1
  - title: {zh: 年龄在合理范围, en: ages are plausible}
    sql: select 1 from this where age < 0 or age > 130
*/
with pensions as (
  select resident_id, count(*) as pensions
  from standard.pension_payment
  where cast(pay_month || '-01' as date) >= current_date - interval 1 year
  group by resident_id
),
subsidies as (
  select resident_id, count(*) as subsidies, sum(amount) as subsidy_amount
  from standard.subsidy_payment
  where paid_on >= current_date - interval 1 year
  group by resident_id
),
homes as (
  select owner_code, count(distinct unit_no) as homes
  from standard.real_estate_title
  where status = '现势' and owner_code is not null
  group by owner_code
),
companies as (
  select legal_representative_id, count(*) as companies
  from base.legal_entity
  where status <> '注销' and legal_representative_id is not null
  group by legal_representative_id
),
papers as (
  select person_id, count(*) as valid_licences
  from base.licence
  where is_current and state = '有效' and person_id is not null
  group by person_id
)
select
  p.person_id,
  p.name,
  p.sex,
  p.birth_date,
  date_sub('year', p.birth_date, current_date) as age,
  p.household_division,
  p.residence_division,
  p.employer,
  p.insurance_status,
  p.medical_scheme,
  p.school,
  p.marital_event,
  p.disability_level,
  p.low_income_benefit is not null as low_income,
  coalesce(n.pensions, 0) as pensions,
  coalesce(s.subsidies, 0) as subsidies,
  coalesce(s.subsidy_amount, 0) as subsidy_amount,
  coalesce(h.homes, 0) as homes,
  coalesce(c.companies, 0) as companies,
  coalesce(l.valid_licences, 0) as valid_licences
from base.person as p
left join pensions as n on n.resident_id = p.resident_id
left join subsidies as s on s.resident_id = p.resident_id
left join homes as h on h.owner_code = p.resident_id
left join companies as c on c.legal_representative_id = p.resident_id
left join papers as l on l.person_id = p.person_id
where p.death_date is null
