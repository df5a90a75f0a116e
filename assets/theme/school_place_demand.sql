/*
title: {zh: 分乡镇入学学位需求, en: School places needed by town}
purpose: 按居住乡镇街道和入学年份统计当年八月底前满六周岁的儿童，与现有一年级在校生比较，供教育部门预测学位缺口。
legal_basis: 《清远市公共数据管理办法》第二十一条；《中华人民共和国义务教育法》第十一条
owner: education
frequency: monthly
key: [town_code, entry_year]
columns:
  town_code: 乡镇街道代码
  county: 县区
  town: 乡镇街道
  entry_year: 入学年份
  children: 适龄儿童数
  registered_elsewhere: 其中户籍不在本乡镇
  first_graders_now: 现有一年级学生数
  places_missing: 预计缺口
tests:
  - title: {zh: 户籍在外的不多于全部, en: those registered elsewhere are among all}
    sql: select 1 from this where registered_elsewhere > children
  - title: {zh: 只有未来六个入学年份, en: the next six years only}
    sql: select 1 from this where entry_year not between year(current_date) and year(current_date) + 6
*/
with children as (
  select
    residence_division as town_code,
    household_division,
    -- school begins in September: who turns six later than August waits for the next year
    year(birth_date) + 6 + case when month(birth_date) >= 9 then 1 else 0 end as entry_year
  from base.person
  where death_date is null and birth_date is not null and residence_division is not null
),
demand as (
  select
    town_code,
    entry_year,
    count(*) as children,
    count(*) filter (where household_division is distinct from town_code) as registered_elsewhere
  from children
  where
    make_date(entry_year, 9, 1) > current_date
    and entry_year <= year(current_date) + 6
  group by town_code, entry_year
),
pupils as (
  select p.residence_division as town_code, count(*) as first_graders_now
  from standard.school_enrolment as s
  join base.person as p on p.resident_id = s.resident_id
  where s.school_grade = '一年级' and p.death_date is null
  group by p.residence_division
)
select
  d.town_code,
  c.name as county,
  t.name as town,
  d.entry_year,
  d.children,
  d.registered_elsewhere,
  coalesce(n.first_graders_now, 0) as first_graders_now,
  d.children - coalesce(n.first_graders_now, 0) as places_missing
from demand as d
left join base.division as t on t.code = d.town_code
left join base.division as c on c.code = t.parent_code
left join pupils as n on n.town_code = d.town_code
