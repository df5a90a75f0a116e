/*
title: {zh: 证照到期日历, en: Licence expiry calendar}
purpose: 现行有效、一年内到期的电子证照，供签发部门提前提醒换证。
legal_basis: 《清远市公共数据管理办法》第二十一条
owner: data_bureau
frequency: weekly
key: [licence_id]
columns:
  licence_id: 电子证照标识
  type_name: 证照类型
  issuer: 颁发机构
  person_id: 持证人编号
  legal_entity_id: 持证组织编号
  division_code: 行政区划代码
  valid_to: 有效期截止
  days_left: 剩余天数
*/
select
  licence_id,
  type_name,
  issuer,
  person_id,
  legal_entity_id,
  division_code,
  valid_to,
  date_diff('day', current_date, valid_to) as days_left
from base.licence
where is_current and state = '有效' and valid_to between current_date and current_date + interval 1 year
