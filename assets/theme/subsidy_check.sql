/*
title: {zh: 惠民补贴核查, en: Subsidy check}
purpose: 找出人已去世仍在领取、同一项目同月重复领取的养老金和惠民补贴，逐笔列出，供主管部门核实。
legal_basis: 《清远市公共数据管理办法》第二十一条、第二十四条
owner: data_bureau
frequency: daily
key: [payment_source, payment_no]
columns:
  payment_source: 发放来源
  payment_no: 发放流水号
  person_id: 人员编号
  name: 姓名
  payment_kind: 项目
  pay_month: 发放年月
  amount: 金额
  finding: 问题
  death_date: 死亡日期
  days_after_death: 死亡后天数
  times_paid: 当月次数
tests:
  - title: {zh: 每笔只列一次, en: each payment once}
    sql: select payment_source, payment_no from this group by all having count(*) > 1
*/
with payments as (
  select
    'pension_payment' as payment_source,
    payment_no,
    resident_id,
    '养老金' as payment_kind,
    pay_month,
    amount,
    -- a pension is due for the month of death: what comes from the next month on is wrong
    cast(pay_month || '-01' as date) as entitled_on
  from standard.pension_payment
  union all
  select
    'subsidy_payment' as payment_source,
    payment_no,
    resident_id,
    subsidy_kind as payment_kind,
    strftime(paid_on, '%Y-%m') as pay_month,
    amount,
    cast(date_trunc('month', paid_on) as date) as entitled_on
  from standard.subsidy_payment
),
counted as (
  select *, count(*) over (partition by payment_source, resident_id, payment_kind, pay_month) as times_paid
  from payments
)
select
  c.payment_source,
  c.payment_no,
  p.person_id,
  p.name,
  c.payment_kind,
  c.pay_month,
  c.amount,
  case when p.death_date < c.entitled_on then '死亡后仍发放' else '同月重复发放' end as finding,
  p.death_date,
  date_diff('day', p.death_date, c.entitled_on) as days_after_death,
  c.times_paid
from counted as c
join base.person as p on p.resident_id = c.resident_id
where p.death_date < c.entitled_on or c.times_paid > 1
