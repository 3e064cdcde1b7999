/** Words that all pages share. */
export default {
  app: "信易+",
  state: {
    loading: "正在读取…",
    empty: "这里还没有内容。",
    failed: "没有读到。",
    unreachable: "连不上服务器。请检查网络;网络恢复后会自动重试。",
    retry: "重试",
    offline: "网络断开了,正在重新连接…",
    healed: "已重新连接。",
    more: "再看一些",
    renewed: "页面有了新版本,请刷新。",
  },
  act: { ok: "确定", cancel: "取消", close: "关闭", save: "保存", back: "返回", copy: "复制", copied: "已复制", download: "下载", confirm: "请确认", search: "查找", refresh: "刷新" },
  sign: {
    title: "登录",
    out: "退出登录",
    ended: "登录已过期,请重新登录。",
    demo: "演示城市:选一个身份(都是虚构的)",
    with: "用「{name}」登录",
    none: "这里没有配置登录方式。请联系管理员。",
    go: "进入",
    number: "第几位",
  },
  page: { dark: "深色", light: "浅色", language: "English", skip: "跳到正文", menu: "菜单" },
};
