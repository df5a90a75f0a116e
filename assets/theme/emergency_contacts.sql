/*
title: {zh: 需照护人员应急联系, en: Emergency contacts}
purpose: 七十岁以上、一二级残疾或低保的在世人员，及灾害转移时应通知的同户成年家人；无同户家人电话的列本人电话，两者皆无的标明须上门。
legal_basis: 《清远市公共数据管理办法》第二十一条；《中华人民共和国突发事件应对法》
owner: civil_affairs
frequency: weekly
key: [person_id]
columns:
  person_id: 人员编号
  name: 姓名
  birth_date: 出生日期
  residence_division: 居住地行政区划代码
  residence_address: 居住地址
  disability_level: 残疾等级
  low_income: 低保对象
  own_mobile: 本人电话
  contact_name: 联系人
  contact_mobile: 联系人电话
  reach_by: 通知方式
tests:
  - title: {zh: 一人只有一行, en: one row per person}
    sql: select person_id from this group by 1 having count(*) > 1
  - title: {zh: 电话通知的都有电话, en: whoever is to be called has a number}
    sql: select 1 from this where reach_by <> '上门' and own_mobile is null and contact_mobile is null
*/
with cared_for as (
  select *
  from base.person
  where
    death_date is null
    and (
      birth_date <= current_date - interval 70 year
      or disability_level in ('一级', '二级')
      or low_income_benefit is not null
    )
),
relatives as (
  select
    c.person_id,
    r.name as contact_name,
    r.mobile as contact_mobile,
    -- the youngest grown-up of the household is the likeliest to answer and to be able to help
    row_number() over (partition by c.person_id order by r.birth_date desc, r.person_id) as choice
  from cared_for as c
  join base.person as r on r.household_no = c.household_no and r.person_id <> c.person_id
  where r.death_date is null and r.mobile is not null and r.birth_date <= current_date - interval 18 year
)
select
  c.person_id,
  c.name,
  c.birth_date,
  c.residence_division,
  c.residence_address,
  c.disability_level,
  c.low_income_benefit is not null as low_income,
  c.mobile as own_mobile,
  r.contact_name,
  r.contact_mobile,
  case when r.contact_mobile is not null then '家人' when c.mobile is not null then '本人' else '上门' end as reach_by
from cared_for as c
left join relatives as r on r.person_id = c.person_id and r.choice = 1
