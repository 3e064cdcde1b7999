/** Words of the frame of this page. */
export const zh = {
  shell: {
    title: "信易+ 运营工作台",
    notYours: "这里不归您办理",
    notYourView: "您的角色不办理这一项。请从菜单中选择,或换一个账号登录。",
    notYourPage: "运营工作台供运营、审核、审计人员和信源单位使用。请退出后换一个账号登录。",
    account: { OPERATOR: "运营人员", REVIEWER: "审核人员", AUDITOR: "审计人员", PROVIDER: "信源单位" },
    group: { market: "市场", casework: "征信与案件", models: "模型与统计" },
    view: {
      overview: "总览", partners: "合作机构", offers: "优惠", grants: "授权申请", proof: "目录证明",
      intake: "数据报送", cases: "案件", subjects: "信用主体", queries: "查询权限", alarms: "告警", audit: "审计与查询登记",
      models: "评分模型", statistics: "等级统计", usage: "使用情况", loans: "信易贷统计",
    },
  },
};
export const en = {
  shell: {
    title: "Xinyi+ operations desk",
    notYours: "This is not for your role",
    notYourView: "Your role does not deal with this. Choose from the menu, or sign in with another account.",
    notYourPage: "This desk is for operators, reviewers, auditors and data providers. Sign out and use another account.",
    account: { OPERATOR: "Operator", REVIEWER: "Reviewer", AUDITOR: "Auditor", PROVIDER: "Data provider" },
    group: { market: "Market", casework: "Records and cases", models: "Models and figures" },
    view: {
      overview: "Overview", partners: "Partners", offers: "Offers", grants: "Grants asked for", proof: "Catalogue proof",
      intake: "Intake", cases: "Cases", subjects: "Subjects", queries: "Query rights", alarms: "Alarms", audit: "Audit and queries",
      models: "Score models", statistics: "Grades", usage: "Usage", loans: "Lending",
    },
  },
};
