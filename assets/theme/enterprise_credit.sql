/*
title: {zh: 企业信用核查, en: Enterprise credit}
purpose: 有失信惩戒、重点关注、近两年行政处罚或税务非正常记录的法人和非法人组织，每个主体一行，供监管和招标采购前核查。
legal_basis: 《清远市公共数据管理办法》第二十一条、第二十四条；《中华人民共和国政府信息公开条例》
owner: development_reform
frequency: daily
key: [legal_entity_id]
columns:
  legal_entity_id: 主体编号
  credit_code: 统一社会信用代码
  name: 名称
  status: 登记状态
  tax_status: 纳税人状态
  punished_records: 现行失信惩戒记录数
  watched_records: 现行重点关注记录数
  last_listed_on: 最近列入日期
  penalties: 近两年行政处罚数
  fines: 近两年罚没金额
  last_penalty_on: 最近处罚日期
  concern: 关注程度
tests:
  - title: {zh: 一个主体只有一行, en: one row per entity}
    sql: select legal_entity_id from this group by 1 having count(*) > 1
  - title: {zh: 列出的主体都有缘由, en: whoever is listed has a reason}
    sql: >-
      select 1 from this where punished_records = 0 and watched_records = 0 and penalties = 0
      and coalesce(tax_status, '') <> '非正常户'
*/
with listed as (
  select
    party_code,
    count(*) filter (where record_kind = '失信惩戒') as punished_records,
    count(*) filter (where record_kind = '重点关注') as watched_records,
    max(listed_on) as last_listed_on
  from standard.credit_record
  -- a record that was removed has been made good, and is held against nobody
  where removed_on is null and party_code is not null and record_kind <> '守信激励'
  group by party_code
),
fined as (
  select party_code, count(*) as penalties, sum(amount) as fines, max(decided_on) as last_penalty_on
  from standard.administrative_penalty
  where party_code is not null and decided_on >= current_date - interval 2 year
  group by party_code
)
select
  e.legal_entity_id,
  e.credit_code,
  e.name,
  e.status,
  e.tax_status,
  coalesce(l.punished_records, 0) as punished_records,
  coalesce(l.watched_records, 0) as watched_records,
  l.last_listed_on,
  coalesce(f.penalties, 0) as penalties,
  coalesce(f.fines, 0) as fines,
  f.last_penalty_on,
  case
    when l.punished_records > 0 then '失信'
    when f.penalties >= 3 or e.tax_status = '非正常户' then '重点'
    else '一般'
  end as concern
from base.legal_entity as e
left join listed as l on l.party_code = e.credit_code
left join fined as f on f.party_code = e.credit_code
where l.party_code is not null or f.party_code is not null or e.tax_status = '非正常户'
