/*
title: {zh: 闲置和未登记房屋, en: Vacant and unregistered buildings}
purpose: 找出所在宗地上没有同用途现势不动产登记的房屋，以及登记为住宅而没有在世人员居住的不动产单元，供自然资源和住建部门核查。
legal_basis: 《清远市公共数据管理办法》第二十一条；《不动产登记暂行条例》
owner: natural_resources
frequency: monthly
key: [finding, object_no]
columns:
  finding: 问题
  object_no: 房屋编号或不动产单元号
  parcel_no: 宗地代码
  use: 用途
  address: 坐落
  division_code: 行政区划代码
  floors: 层数
  area: 建筑面积
  registered_on: 登记日期
tests:
  - title: {zh: 每个对象在同一问题中只列一次, en: each object once per finding}
    sql: select finding, object_no from this group by all having count(*) > 1
*/
with titled as (
  select parcel_no, use
  from standard.real_estate_title
  where status = '现势' and parcel_no is not null
  group by parcel_no, use
),
units as (
  -- co-owners have a row each, and the building one address: of two, the same one each time
  select
    unit_no,
    min(parcel_no) as parcel_no,
    min(address) as address,
    min(division_code) as division_code,
    max(area) as area,
    max(registered_on) as registered_on
  from standard.real_estate_title
  where status = '现势' and use = '住宅' and unit_no is not null and address is not null
  group by unit_no
),
lived_in as (
  -- who is only registered at an address lives elsewhere
  select residence_address as address
  from base.person
  where death_date is null and residence_address is not null
  group by residence_address
)
select
  '未登记' as finding,
  b.building_no as object_no,
  b.parcel_no,
  b.use,
  b.address,
  b.division_code,
  b.floors,
  cast(null as double) as area,
  cast(null as date) as registered_on
from base.building as b
-- titles know no public buildings: they are registered as others
left join titled as t on t.parcel_no = b.parcel_no and t.use = case b.use when '公共服务' then '其他' else b.use end
where t.parcel_no is null
union all
select
  '无人居住' as finding,
  u.unit_no,
  u.parcel_no,
  '住宅',
  u.address,
  u.division_code,
  cast(null as bigint),
  u.area,
  u.registered_on
from units as u
left join lived_in as l on l.address = u.address
where l.address is null
