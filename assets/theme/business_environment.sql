/*
title: {zh: 营商环境统计（按乡镇街道）, en: Business environment by town}
purpose: 按住所所在乡镇街道统计经营主体的存量、新设、注销和用工，少于十个主体的乡镇并入所在县区的“其他”，可供开放；空值表示不足十个，或可由其他数推得。
legal_basis: 《清远市公共数据管理办法》第二十一条、第三十五条；《优化营商环境条例》
owner: market_regulation
frequency: monthly
key: [county, town]
subject: legal_entity_id
columns:
  county: 县区
  town: 乡镇街道
  entities: 主体数
  active: 存续主体数
  opened_last_year: 近十二个月新设数
  closed_last_year: 近十二个月注销数
  share_active: 存续占比
tests:
  - title: {zh: 最小组不少于十个主体, en: the smallest group has ten entities}
    sql: select 1 from this where entities < 10
  - title: {zh: 分项或为空，或不少于十个, en: 'a part is nobody, ten and more, or left out'}
    sql: select 1 from this where active between 1 and 9 or opened_last_year between 1 and 9 or closed_last_year between 1 and 9
  - title: {zh: 分项不大于总数, en: no part is larger than the whole}
    sql: select 1 from this where active > entities or opened_last_year > entities or closed_last_year > entities
*/
with towns as (
  select t.name as town, c.name as county
  from base.division as t
  join base.division as c on c.code = t.parent_code
  where t.level = 'town'
),
located as (
  select
    e.legal_entity_id,
    e.status,
    e.established_on,
    e.cancelled_on,
    t.county,
    t.town,
    count(*) over (partition by t.county, t.town) as neighbours
  from base.legal_entity as e
  join towns as t on contains(e.address, t.county || t.town)
),
grouped as (
  select
    legal_entity_id,
    county,
    case when neighbours >= 10 then town else '其他' end as town,
    status,
    established_on,
    cancelled_on
  from located
)
select
  county,
  town,
  count(*) as entities,
  count(*) filter (where status <> '注销') as active,
  count(*) filter (where established_on >= current_date - interval 1 year) as opened_last_year,
  count(*) filter (where cancelled_on >= current_date - interval 1 year) as closed_last_year,
  round(count(*) filter (where status <> '注销') / count(*), 2) as share_active
from grouped
group by county, town
-- towns that are small even together are left out
having count(*) >= 10
