/** Words of the sandbox and of the conformance run. */
export const zh = {
  sandbox: {
    title: "沙箱", about: "练习用的环境:答复与正式环境一样,人和优惠都是合成的,与真实数据互不相通。", enter: "进入沙箱",
    how: "选择登记为「沙箱」用途的私钥文件。还没有?", toKeys: "先登记一把", askForKey: "请本单位的机构经办人登记一把。", go: "进入沙箱", leave: "离开沙箱", toRun: "对接检查",
    codes: "取一个码", who: "谁出示", what: "出什么状况", take: "取码", at: "用于优惠", copy: "复制码", scan: "到核验页试一试", left: "还有 {seconds} 秒", over: "已过期,请重新取码",
    persona: { BENEFIT: "权益适用", STANDARD: "按标准服务办理", NOT_ENROLLED: "没有参加", MINOR: "未成年人", NO_CONSENT: "收回了授权", DATA_FAULT: "资料有故障", LIMIT_REACHED: "次数已用完", ENTERPRISE: "企业,权益适用" },
    fault: { NONE: "一切正常", EXPIRED: "码已过期", REPLAYED: "码已用过", FORGED: "码被改动", OTHER_OFFER: "码只用于另一项优惠", UNAVAILABLE: "第一次系统暂不可用", SLOW: "第一次答复要 6 秒", QUOTA_EXHAUSTED: "名额已满" },
    clock: "自己的时钟", clockNote: "只对贵单位起作用:码会过期、优惠会结束、订单会到期。最多往前拨 400 天。", now: "现在是沙箱时间 {at}", ahead: { minute: "前进 1 分钟", hour: "前进 1 小时", day: "前进 1 天", month: "前进 30 天" }, reset: "拨回现在",
    orders: "代本人确认订单", ordersNote: "沙箱里的人不会点手机,由这里代为确认。", noOrders: "没有等待确认的订单。", confirm: "代为确认",
    events: "演练事件推送", eventsNote: "先登记接收地址:", event: { NONE: "正常送达", LATE: "晚 10 秒", TWICE: "送两次,同一编号", FORGED: "伪造签名(应答 4xx)" }, rehearse: "演练", rehearsed: "将推送 {count} 次。",
    key: "更换回执签名密钥", keyNote: "对所有机构生效,每单位每分钟最多一次。用来检验程序会不会重新获取公钥。", changeKey: "更换", keyChanged: "新密钥:",
    role: { MAIN: "普通优惠", ENTERPRISE: "企业优惠", LAST_ONE: "只剩一个名额", EXHAUSTED: "名额已满", CLOSED: "已结束", CLOSES_SOON: "三十天后结束", LIMITED: "每人一次", PAY_LATER: "先享后付" },
    run: {
      title: "对接检查", about: "开始之后,平台按实际收到的请求逐项判断程序是否处理得当。全部通过后 90 天内可申请正式运行。", first: "对接检查在沙箱里进行,请先进入:",
      url: "接收事件的地址(可不填)", start: "开始一次检查", number: "检查编号", look: "查看", earlier: "最近看过:", command: "也可以用命令行一次跑完:",
      state: { RUNNING: "进行中", PASSED: "已通过", FAILED: "未通过" }, progress: "进度", since: "{at} 开始", until: "{at} 结束", secret: "本次事件的签名密钥:", offers: "沙箱里的优惠",
      send: "发送检查用的事件", finish: "结束并得出结果", unknown: "没有这次检查,或它不是贵单位的。", done: "已完成", open: "待完成", optional: "可不做",
      missing: "还缺:{missing}", at: "用于:{offer}", materials: "{count} 份回执", verdict: "您的答案,如 ACD", report: "提交答案",
    },
  },
};

export const en: typeof zh = {
  sandbox: {
    title: "Sandbox", about: "For practice: answers come as in earnest, people and offers are made up, and nothing leads to real data.", enter: "Enter the sandbox",
    how: "Choose the private file of a key that is registered for the sandbox. None yet?", toKeys: "Register one", askForKey: "Ask your representative to register one.", go: "Enter", leave: "Leave the sandbox", toRun: "Conformance run",
    codes: "Take a code", who: "Who shows it", what: "What goes wrong", take: "Take a code", at: "At the offer", copy: "Copy the code", scan: "Try it at the counter", left: "{seconds} seconds left", over: "It has run out: take another",
    persona: { BENEFIT: "The benefit applies", STANDARD: "Standard service", NOT_ENROLLED: "Does not take part", MINOR: "Under age", NO_CONSENT: "Has taken the consent back", DATA_FAULT: "Faulty data", LIMIT_REACHED: "Has had its share", ENTERPRISE: "An enterprise, benefit applies" },
    fault: { NONE: "Nothing", EXPIRED: "Past its minute", REPLAYED: "Used before", FORGED: "Changed by somebody", OTHER_OFFER: "For another offer", UNAVAILABLE: "Not available at first", SLOW: "First answer takes six seconds", QUOTA_EXHAUSTED: "Nothing left of the offer" },
    clock: "Your own clock", clockNote: "For you alone: codes expire, offers close, orders fall due. 400 days ahead at most.", now: "It is {at} in the sandbox", ahead: { minute: "1 minute on", hour: "1 hour on", day: "1 day on", month: "30 days on" }, reset: "Back to now",
    orders: "Confirm orders for the person", ordersNote: "Nobody in the sandbox holds a phone: do it for them.", noOrders: "No orders wait.", confirm: "Confirm",
    events: "Rehearse webhooks", eventsNote: "Register an address first:", event: { NONE: "As it should", LATE: "10 seconds late", TWICE: "Twice under one id", FORGED: "Forged (answer 4xx)" }, rehearse: "Rehearse", rehearsed: "{count} deliveries are on their way.",
    key: "Another receipt key", keyNote: "For all partners; once a minute each. Shows whether a program fetches the keys anew.", changeKey: "Change it", keyChanged: "The new key:",
    role: { MAIN: "Ordinary", ENTERPRISE: "For enterprises", LAST_ONE: "One left", EXHAUSTED: "None left", CLOSED: "Closed", CLOSES_SOON: "Closes in thirty days", LIMITED: "Once a person", PAY_LATER: "Pay later" },
    run: {
      title: "Conformance run", about: "From the start on, what your program sends is judged step by step. A passed run is good for going live within 90 days.", first: "Runs are done in the sandbox; enter it first:",
      url: "Address for events (may be left out)", start: "Start a run", number: "Number of a run", look: "Look", earlier: "Lately:", command: "Or all at once from the command line:",
      state: { RUNNING: "Running", PASSED: "Passed", FAILED: "Not passed" }, progress: "Progress", since: "began {at}", until: "finished {at}", secret: "Secret of this run's events:", offers: "Offers of the sandbox",
      send: "Send the run's events", finish: "Finish and settle the result", unknown: "There is no such run, or it is not yours.", done: "Done", open: "Open", optional: "May be left out",
      missing: "Missing: {missing}", at: "At: {offer}", materials: "{count} receipts", verdict: "Your answer, such as ACD", report: "Give the answer",
    },
  },
};
