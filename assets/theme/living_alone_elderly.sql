/*
title: {zh: 独居老人, en: Elderly living alone}
purpose: 户内只有一位在世成员、年满七十岁的老人，供民政部门探访关爱。
legal_basis: 《清远市公共数据管理办法》第二十一条
owner: civil_affairs
frequency: monthly
key: [person_id]
columns:
  person_id: 人员编号
  name: 姓名
  birth_date: 出生日期
  household_division: 户籍地行政区划代码
  residence_address: 居住地址
  mobile: 联系电话
  disability_level: 残疾等级
  low_income: 低保对象
*/
with living as (
  select *, count(*) over (partition by household_no) as members
  from base.person
  where household_no is not null and death_date is null and household_status = '正常'
)
select
  person_id,
  name,
  birth_date,
  household_division,
  residence_address,
  mobile,
  disability_level,
  low_income_benefit is not null as low_income
from living
where members = 1 and birth_date <= current_date - interval 70 year
