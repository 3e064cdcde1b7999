// A page of benefits as a Relay component asks for it: a fragment that refetches itself by `node(id:)`, page by page.
import { graphql } from "relay-runtime";

graphql`
  query BenefitListQuery {
    me {
      id
      ...BenefitList_subject
    }
  }
`;

graphql`
  fragment BenefitList_subject on CreditSubject
  @refetchable(queryName: "BenefitListPageQuery")
  @argumentDefinitions(first: { type: "Int", defaultValue: 3 }, after: { type: "String" }) {
    displayName
    benefits(first: $first, after: $after) @connection(key: "BenefitList_benefits") {
      edges {
        node {
          available
          offer {
            id
            title
          }
        }
      }
    }
  }
`;
