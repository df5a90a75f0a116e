/*
title: {zh: 企业综合视图（一企一档）, en: Enterprise 360}
purpose: 每个法人和非法人组织一行，汇集登记、税务、用工、许可、处罚、信用和证照情况，供部门核查与服务。
legal_basis: 《清远市公共数据管理办法》第二十一条
owner: data_bureau
frequency: daily
key: [legal_entity_id]
columns:
  legal_entity_id: 主体编号
  credit_code: 统一社会信用代码
  name: 名称
  kind: 类型
  status: 登记状态
  established_on: 成立日期
  division: 登记地行政区划代码
  capital: 注册资金
  capital_currency: 币种
  industry: 行业
  tax_status: 纳税人状态
  insured_employees: 参保人数
  licences: 行政许可数
  penalties: 行政处罚数
  last_penalty_on: 最近处罚日期
  credit_records: 信用记录数
  valid_electronic_licences: 有效电子证照数
  cancelled_but_taxed: 已注销仍为正常纳税人
tests:
  - title: {zh: 一个主体只有一行, en: one row per entity}
    sql: select legal_entity_id from this group by 1 having count(*) > 1
*/
with insured as (
  select employer_code, count(distinct resident_id) as insured_employees
  from standard.social_insurance
  where status = '正常参保' and employer_code is not null
  group by employer_code
),
permits as (
  select holder_code, count(*) as licences
  from standard.administrative_licence
  where holder_code is not null
  group by holder_code
),
fines as (
  select party_code, count(*) as penalties, max(decided_on) as last_penalty_on
  from standard.administrative_penalty
  where party_code is not null
  group by party_code
),
credit as (
  select party_code, count(*) as credit_records
  from standard.credit_record
  where removed_on is null
  group by party_code
),
papers as (
  select legal_entity_id, count(*) as valid_electronic_licences
  from base.licence
  where is_current and state = '有效' and legal_entity_id is not null
  group by legal_entity_id
)
select
  e.legal_entity_id,
  e.credit_code,
  e.name,
  e.kind,
  e.status,
  e.established_on,
  e.division,
  e.capital,
  e.capital_currency,
  e.industry,
  e.tax_status,
  coalesce(i.insured_employees, 0) as insured_employees,
  coalesce(p.licences, 0) as licences,
  coalesce(f.penalties, 0) as penalties,
  f.last_penalty_on,
  coalesce(c.credit_records, 0) as credit_records,
  coalesce(d.valid_electronic_licences, 0) as valid_electronic_licences,
  coalesce(e.status = '注销' and e.tax_status = '正常', false) as cancelled_but_taxed
from base.legal_entity as e
left join insured as i on i.employer_code = e.credit_code
left join permits as p on p.holder_code = e.credit_code
left join fines as f on f.party_code = e.credit_code
left join credit as c on c.party_code = e.credit_code
left join papers as d on d.legal_entity_id = e.legal_entity_id
