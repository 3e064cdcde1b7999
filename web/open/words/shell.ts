/** Words of the frame of this page. */
export const zh = {
  shell: {
    title: "信易+ 公开",
    about: "规则、措施、优惠和公示信息,人人可查;不用登录。",
    nav: "栏目",
    models: "评分规则",
    measures: "激励措施",
    offers: "优惠目录",
    records: "公示信息",
    check: "核对凭据",
    machine: "本页的全部内容都可由程序读取:接口 /graphql,验签公钥 /.well-known/jwks.json。信用服务机构登录后可批量取得开放清单:/open-data。",
    line: "守信激励只增加便利:没有信用码、没有登录、没有分数的人,得到的标准服务不变。",
  },
};
export const en: typeof zh = {
  shell: {
    title: "Xinyi+ Public",
    about: "Rules, measures, offers and published records, for everybody, without signing in.",
    nav: "Sections",
    models: "Score rules",
    measures: "Measures",
    offers: "Offers",
    records: "Published records",
    check: "Check a document",
    machine: "All of this can be read by programs: /graphql, keys for checking signatures at /.well-known/jwks.json. Credit service agencies, signed in, get the open lists in bulk: /open-data.",
    line: "Incentives only add: whoever has no code, no sign-in and no score gets the same standard service.",
  },
};
