/** Words of the frame of this page. */
export const zh = {
  shell: {
    title: "信易+",
    citizen: "市民",
    enterprise: "企业经办人",
    code: "信用码",
    score: "信用",
    benefits: "权益",
    mine: "我的",
  },
};
export const en = {
  shell: {
    title: "Xinyi+",
    citizen: "Citizen",
    enterprise: "Agent of an enterprise",
    code: "Code",
    score: "Credit",
    benefits: "Benefits",
    mine: "Me",
  },
};
