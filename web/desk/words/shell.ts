/** Words of the frame of this page. */
export const zh = {
  shell: {
    title: "信易+ 伙伴工作台",
    notYet: "还不是合作机构?",
    apply: "申请加入守信激励联盟",
    toSignIn: "← 返回登录",
    notYours: "这里不归您办理",
    notYourView: "您的账号不办理这一项。请从菜单中选择,或换一个账号登录。",
    notYourPage: "伙伴工作台供合作机构的柜台和经办人使用。请退出后换一个账号登录。",
    sandbox: "沙箱",
    sandboxWhat: "这里的人和优惠都是练习用的,不影响真实业务。",
    leaveSandbox: "回到正式环境",
    account: { REPRESENTATIVE: "机构经办人", APPLICANT: "申请中的机构" },
    duty: { site: "岗位", clerk: "值班", none: "不填" },
    group: { counter: "柜台", back: "机构事务", systems: "系统对接" },
    view: {
      scan: "核验", today: "当日记录", orders: "后付订单", loans: "贷款申请", membership: "加入与资格", offers: "优惠项目",
      settlement: "结算", labels: "岗位与值班名称", gates: "离线闸机", keys: "密钥", webhooks: "事件推送", sandbox: "沙箱", conformance: "对接检查",
    },
    role: {
      scenic: "景区", hospital: "医院", bank: "银行", parking: "停车场", hotel: "酒店", property: "物业", transport: "客运", hall: "政务大厅",
      household: "家政", "elder-care": "养老", shop: "商店", park: "园区", representative: "机构经办人",
    },
  },
};
export const en = {
  shell: {
    title: "Xinyi+ partner's desk",
    notYet: "Not a partner yet?",
    apply: "Apply to join the alliance",
    toSignIn: "← Back to sign-in",
    notYours: "This is not for your account",
    notYourView: "Your account does not deal with this. Choose from the menu, or sign in with another account.",
    notYourPage: "This desk is for partners' counters and representatives. Sign out and use another account.",
    sandbox: "Sandbox",
    sandboxWhat: "People and offers here are for practice; nothing real is touched.",
    leaveSandbox: "Back to the live side",
    account: { REPRESENTATIVE: "Representative", APPLICANT: "Applicant" },
    duty: { site: "Counter", clerk: "Clerk", none: "left out" },
    group: { counter: "Counter", back: "Partnership", systems: "Integration" },
    view: {
      scan: "Verify", today: "The day's list", orders: "Pay-later orders", loans: "Loan applications", membership: "Membership", offers: "Offers",
      settlement: "Settlement", labels: "Counters and clerks", gates: "Gates without network", keys: "Keys", webhooks: "Webhooks", sandbox: "Sandbox", conformance: "Conformance",
    },
    role: {
      scenic: "Scenic spot", hospital: "Hospital", bank: "Bank", parking: "Car park", hotel: "Hotel", property: "Property", transport: "Coaches", hall: "Government hall",
      household: "Household", "elder-care": "Elder care", shop: "Shop", park: "Business park", representative: "Representative",
    },
  },
};
