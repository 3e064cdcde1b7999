// A place to try documents in the demo. It talks to /graphql only, like any client.
const EXAMPLES = {
  "公开的优惠": [
    `query Offers($first: Int) {
  offers(first: $first) {
    edges { node { id title benefit standardService kind { name } partner { name } } }
    pageInfo { hasNextPage endCursor }
  }
}`,
    { first: 5 },
  ],
  "市民:我的评价与优惠": [
    `query Me($first: Int) {
  me {
    displayName enrolled
    scores { model { name } points grade { name } lines { label points basis } }
    benefits(first: $first) {
      edges { node { available whyNot { code message } offer { title partner { name } } } }
    }
  }
}`,
    { first: 5 },
  ],
  "市民:出示信用码": [
    `mutation Issue {
  issueCreditCode(input: {}) {
    __typename
    ... on CreditCode { token expiresAt }
    ... on Problem { code message }
  }
}`,
    {},
  ],
  "机构:我的优惠": [`{ partner { id name offers { edges { node { id title benefit } } } } }`, {}],
  "机构:核验": [
    `mutation Verify($input: VerifyCreditCodeInput!) {
  verifyCreditCode(input: $input) {
    __typename
    ... on Verification { id outcome benefit receipt expiresAt }
    ... on Problem { code message }
  }
}`,
    { input: { requestId: "demo-1", code: "在此粘贴信用码", offerId: "在此粘贴优惠 id" } },
  ],
  "机构:核销": [
    `mutation Redeem($input: RedeemBenefitInput!) {
  redeemBenefit(input: $input) {
    __typename
    ... on Redemption { id redeemedAt }
    ... on Problem { code message }
  }
}`,
    { input: { requestId: "demo-2", verificationId: "在此粘贴核验 id" } },
  ],
  "市民:谁查过我": [
    `{ me { accessLog(first: 10) { edges { node {
  at outcome problem whyNot { message } partner { name } offer { title } receipt
} } } } }`,
    {},
  ],
};

const part = (id) => document.getElementById(id);
const [example, run, token, query, variables, answer, status] = [
  "example", "run", "token", "query", "variables", "answer", "status",
].map(part);

function show(name) {
  const [text, values] = EXAMPLES[name];
  query.value = text;
  variables.value = JSON.stringify(values, null, 2);
}

async function send() {
  let values;
  try {
    values = JSON.parse(variables.value || "{}");
  } catch (error) {
    status.textContent = "变量不是有效的 JSON";
    answer.textContent = String(error);
    return;
  }
  status.textContent = "……";
  const began = performance.now();
  try {
    const response = await fetch("/graphql", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token.value.trim() ? { authorization: `Bearer ${token.value.trim()}` } : {}),
      },
      body: JSON.stringify({ query: query.value, variables: values }),
    });
    answer.textContent = JSON.stringify(await response.json(), null, 2);
    status.textContent = `${response.status} · ${Math.round(performance.now() - began)} ms`;
  } catch (error) {
    status.textContent = "连不上服务,请确认它还在运行";
    answer.textContent = String(error);
  }
}

for (const name of Object.keys(EXAMPLES)) example.add(new Option(name, name));
example.addEventListener("change", () => show(example.value));
run.addEventListener("click", send);
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
});
show(Object.keys(EXAMPLES)[0]);
